"""Decisions that somebody asks for: to promote, to reject, to go back. Each gives a decision, or why there is none."""

from datetime import datetime

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rolloutaction import RolloutActionSpec, Verb
from modelrollout.plan.alarm import heard
from modelrollout.plan.canary import can_carry
from modelrollout.plan.observation import Observation, RevisionView
from modelrollout.plan.plan import Decision
from modelrollout.plan.records import record
from modelrollout.plan.rollback import harmed, roll_back
from modelrollout.plan.situation import Situation, situation_of
from modelrollout.plan.soak import promote
from modelrollout.plan.turn_back import last_live, previous_of, turn_back


def asked(observation: Observation, request: RolloutActionSpec, now: datetime) -> Decision | str:
    match request.action:
        case Verb.PROMOTE:
            return _promote(observation, request, now)
        case Verb.REJECT:
            situation = situation_of(observation, now)
            return _back(situation, request, reason="RejectedByPerson", state=RevisionState.REJECTED)
        case Verb.ROLLBACK:
            return _rollback(observation, request, now)
        case Verb.APPROVE | Verb.PAUSE | Verb.RESUME | Verb.RETRY:
            raise ValueError(f"{request.action} changes what a plan starts from, and decides nothing itself.")


def _promote(observation: Observation, request: RolloutActionSpec, now: datetime) -> Decision | str:
    """On without more evidence, but not without pods: traffic moves when they can carry it."""
    situation = situation_of(observation, now)
    if situation is None or observation.status.candidate != observation.target:
        return "the spec names another version by now; look again, and ask anew"
    if harmed(situation) is not None:
        return "there is evidence of harm, and the candidate is rolled back instead"
    by = request.requested_by
    message = f"promoted by {by}: {request.reason}"
    if observation.status.stage is StageName.SOAK and not can_carry(situation, 100):
        ready, replicas = situation.candidate.ready, situation.replicas
        return f"{ready} of {replicas} pods of the candidate are ready; ask again when it can carry all of the traffic"
    if observation.status.stage is StageName.SOAK:
        return promote(situation, reason="PromotedByPerson", message=message, by=by)
    return situation.decision(
        stage=StageName.SOAK,
        reason="PromotedByPerson",
        message=message,
        weight=observation.status.weight,
        capacity=100,
        record=record(
            at=now,
            outcome=Outcome.ADVANCE,
            reason="PromotedByPerson",
            message=message,
            stage=StageName.SOAK,
            weight=observation.status.weight,
            judgement=situation.judgement,
            by=by,
        ),
    )


def _back(
    situation: Situation | None, request: RolloutActionSpec, *, reason: str, state: RevisionState
) -> Decision | str:
    if situation is None:
        return "a version of the rollout is gone; look again, and ask anew"
    verb = "rejected" if state is RevisionState.REJECTED else "asked"
    why = f"{verb} by {request.requested_by}: {request.reason}"
    return roll_back(situation, reason=reason, why=why, state=state, by=request.requested_by)


def _rollback(observation: Observation, request: RolloutActionSpec, now: datetime) -> Decision | str:
    if request.alert is not None:
        return heard(observation, request.alert, now, by=request.requested_by)
    status, wanted = observation.status, request.revision
    rolling = status.candidate is not None and status.stage is not StageName.ROLLBACK
    if rolling and wanted in (None, status.stable):
        situation = situation_of(observation, now)
        return _back(situation, request, reason="RollbackRequested", state=RevisionState.ROLLED_BACK)
    if status.stage is StageName.ROLLBACK and wanted in (None, status.candidate):
        return f"it is on its way back to revision {status.candidate} already"
    to = previous_of(observation) if wanted is None else observation.revision(wanted)
    unfit = _unfit(observation, to, wanted=wanted)
    if unfit is not None or to is None:
        return unfit or "there is no revision to go back to"
    why = f"asked by {request.requested_by}: {request.reason}"
    return turn_back(observation, to=to, reason="RollbackRequested", why=why, now=now, by=request.requested_by)


def _unfit(observation: Observation, to: RevisionView | None, *, wanted: str | None) -> str | None:
    if to is None and wanted is None:
        return "no version was live before this one, or none is kept any more; name a revision, or edit the spec"
    if to is None:
        return f"there is no revision {wanted} any more; kubectl get mrev shows which are kept"
    if to.id == observation.status.stable:
        return f"revision {to.id} is live already"
    if last_live(to) is None:
        return f"revision {to.id} was never live; name its version in the spec to have it rolled out"
    return None
