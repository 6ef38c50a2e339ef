"""What to write: the deployment's status, and the status of each revision that a decision touches."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from modelrollout.api.modeldeployment import AnsweredAction, ModelDeploymentStatus, Promotion, StageName
from modelrollout.api.modelrevision import (
    MAX_DECISIONS,
    MAX_HISTORY,
    DecisionRecord,
    ModelRevisionStatus,
    RevisionState,
    StateChange,
    StoredEvidence,
)
from modelrollout.plan.changes import changes_of
from modelrollout.plan.conditions import conditions
from modelrollout.plan.gates import stored, tried_again
from modelrollout.plan.lifetime import lifetime
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision
from modelrollout.plan.records import numbers
from modelrollout.plan.shared import unanswered
from modelrollout.plan.synced import registry_condition
from modelrollout.plan.turn_back import previous_of

EVIDENCE_EVERY = timedelta(seconds=30)
"""How old the written evidence may get while nothing else changes. A restart reads the rest from Prometheus again."""

_STATE = {
    StageName.INSTALL: RevisionState.PENDING,
    StageName.EVALUATE: RevisionState.EVALUATING,
    StageName.SHADOW: RevisionState.SHADOW,
    StageName.REVIEW: RevisionState.EVALUATING,
    StageName.CANARY: RevisionState.CANARY,
    StageName.SOAK: RevisionState.SOAKING,
    StageName.LIVE: RevisionState.LIVE,
    StageName.ROLLBACK: RevisionState.PENDING,
}


def deployment_status(
    observation: Observation,
    decision: Decision,
    now: datetime,
    *,
    tell_numbers: bool,
    answers: tuple[AnsweredAction, ...],
    revisions: Mapping[str, ModelRevisionStatus],
) -> ModelDeploymentStatus:
    """`tell_numbers` is false while nothing but the numbers of a comparison moved: they go out with the evidence.
    `revisions` are the revision statuses that change with it.
    """
    before = observation.status
    previous = _previous(observation, decision)
    same_candidate = decision.candidate is not None and decision.candidate == before.candidate
    same_stage = same_candidate and decision.stage is before.stage
    same_weight = same_candidate and decision.weight == before.weight
    stable = observation.revision(decision.stable)
    rolling = decision.candidate is not None and decision.stage is not StageName.INSTALL
    going_on = same_candidate and rolling
    waiting = (StageName.EVALUATE, StageName.REVIEW)
    waited = decision.resumed or (before.stage in waiting and not same_stage)
    return ModelDeploymentStatus(
        observed_generation=observation.generation,
        stage=decision.stage,
        stable=decision.stable,
        stable_version=_version(observation, decision.stable),
        candidate=decision.candidate,
        candidate_version=_version(observation, decision.candidate),
        weight=decision.weight,
        rollout_started_at=(before.rollout_started_at if same_candidate else now) if rolling else None,
        stage_started_at=(before.stage_started_at if same_stage else now) if rolling else None,
        weight_changed_at=(before.weight_changed_at if same_weight else now) if rolling else None,
        rejected=decision.rejected,
        previous=previous,
        promotion=_promotion(before, decision, now),
        paused=before.paused if going_on else None,
        resumed_at=(now if waited else before.resumed_at) if going_on else None,
        approval=before.approval if going_on else None,
        reviews=unanswered(observation) if going_on else (),
        actions=answers,
        expected_verdict_at=_expected(decision, before, tell_numbers=tell_numbers and rolling),
        registry=observation.told.written if observation.told else before.registry,
        replicas=stable.workload.replicas if stable and stable.workload else 0,
        ready_replicas=stable.ready if stable else 0,
        conditions=(
            *conditions(
                decision,
                previous=before.conditions,
                generation=observation.generation,
                now=now,
                tell_numbers=tell_numbers,
            ),
            *registry_condition(observation, stable=decision.stable, previous=previous, revisions=revisions, now=now),
        ),
    )


def _previous(observation: Observation, decision: Decision) -> str | None:
    """Where a rollback of the live revision goes, as things stand after this decision."""
    former = decision.stable != observation.status.stable and observation.stable
    if former and decision.ended.get(former.id) is RevisionState.SUPERSEDED:
        return former.id
    found = previous_of(observation, live=decision.stable, ended=decision.ended)
    return found.id if found is not None and found.id != decision.candidate else None


def _promotion(before: ModelDeploymentStatus, decision: Decision, now: datetime) -> Promotion | None:
    if decision.stable == before.stable:
        return before.promotion
    rolled_out = decision.stable == before.candidate and before.stage is StageName.SOAK
    if not rolled_out or before.rollout_started_at is None:
        return None
    return Promotion(at=now, rollout_started_at=before.rollout_started_at)


def _expected(decision: Decision, before: ModelDeploymentStatus, *, tell_numbers: bool) -> datetime | None:
    """The forecast goes out with the other numbers; it ends with the comparison."""
    if decision.candidate is None or decision.stage not in (StageName.SHADOW, StageName.CANARY):
        return None
    if tell_numbers or decision.candidate != before.candidate:
        return decision.expected_verdict_at
    return before.expected_verdict_at


def _version(observation: Observation, id: str | None) -> str | None:
    """Model version of a revision; where its ModelRevision is gone, what was written of the live one stays."""
    view = observation.revision(id)
    if view is not None:
        return view.spec.model.version
    if id == observation.target:
        return observation.version
    return observation.status.stable_version if id else None


def revision_statuses(observation: Observation, decision: Decision, now: datetime) -> Mapping[str, ModelRevisionStatus]:
    """Only those that changed. A revision that does not exist, and is not about to, has no status to write."""
    states = {**_left_behind(observation, decision), **decision.ended}
    if decision.candidate:
        states[decision.candidate] = _STATE[decision.stage]
    if decision.stable:
        states[decision.stable] = RevisionState.LIVE
    changed = {}
    for id, state in states.items():
        view = observation.revision(id)
        if view is None and id != observation.target:
            continue
        before = view.status if view else ModelRevisionStatus()
        after = _next(before, observation=observation, decision=decision, id=id, state=state, now=now)
        if after != before:
            changed[id] = after
    return changed


def _left_behind(observation: Observation, decision: Decision) -> dict[str, RevisionState]:
    """Pods of a plan that died before its status was written, when the spec named another version by then.

    One that was rejected stays rolled back, whatever a leader that was late to hear of it wrote into its status.
    """
    rejected = observation.status.rejected
    return {
        view.id: RevisionState.ROLLED_BACK if view.id == rejected else RevisionState.SUPERSEDED
        for view in observation.revisions.values()
        if view.id not in (decision.stable, decision.candidate)
        and view.status.traffic_ended_at is None
        and (view.workload is not None or view.service is not None)
    }


def _next(
    before: ModelRevisionStatus,
    *,
    observation: Observation,
    decision: Decision,
    id: str,
    state: RevisionState,
    now: datetime,
) -> ModelRevisionStatus:
    history = before.history
    live_at, live_for, ended = lifetime(before, observation=observation, decision=decision, id=id, state=state, now=now)
    if not history or history[-1].state is not state:
        history = (*history, StateChange(state=state, at=now))[-MAX_HISTORY:]
    decisions = before.decisions
    recorded = decision.record is not None and decision.recorded_on == id
    about = decision.candidate or decision.recorded_on
    if decision.record is not None and recorded and not _told(before, decision, decision.record, observation.status):
        decisions = (*decisions, decision.record)[-MAX_DECISIONS:]
    return ModelRevisionStatus(
        state=state,
        history=history,
        live_at=live_at,
        live_for=live_for,
        ended=ended,
        changes=before.changes or changes_of(observation, decision, id),
        contract=decision.contract if decision.contract is not None and id == about else before.contract,
        traffic_ended_at=None if id in (decision.stable, decision.candidate) else now,
        evidence=_evidence(before, observation=observation, decision=decision, id=id, recorded=recorded, now=now),
        decisions=decisions,
    )


def _told(
    before: ModelRevisionStatus, decision: Decision, record: DecisionRecord, written: ModelDeploymentStatus
) -> bool:
    """A plan that died between two status writes is made again; what it decided is on record already.

    Not so when the deployment has moved on since that record, or evidence is kept under another policy than then.
    """
    if not before.decisions:
        return False
    last = before.decisions[-1]
    moved = [written.stage_started_at, written.weight_changed_at, *(c.last_transition_time for c in written.conditions)]
    if any(at is not None and at >= last.at for at in moved):
        return False
    if decision.evidence and before.evidence and decision.evidence.policy != before.evidence.policy:
        return False
    return _gist(last) == _gist(record)


def _gist(record: DecisionRecord) -> tuple[object, ...]:
    """What two records of one decision have in common."""
    entry = record.alert.policy if record.alert is not None else None
    return record.outcome, record.reason, record.stage, record.weight, entry


def _evidence(
    before: ModelRevisionStatus,
    *,
    observation: Observation,
    decision: Decision,
    id: str,
    recorded: bool,
    now: datetime,
) -> StoredEvidence | None:
    """Written with each change of stage or weight, and else only when what is stored is getting old.

    A revision that is tried again begins with its evidence of harm from before.
    """
    evidence = decision.evidence
    if evidence is None or evidence.revision != id:
        starting = id == decision.candidate and id != observation.status.candidate
        if starting:
            return tried_again(before.evidence, rollout=observation.spec.rollout, at=now)
        return before.evidence
    known = before.evidence
    turning = recorded or decision.weight != observation.status.weight or decision.stage is not observation.status.stage
    fresh = known is not None and known.policy == evidence.policy
    if known is None or not fresh or turning or evidence.evaluated_at - known.evaluated_at >= EVIDENCE_EVERY:
        written = stored(evidence)
        judgement = decision.judgement
        return written.model_copy(update={"numbers": numbers(judgement)}) if judgement else written
    return known
