"""Soak: all traffic on the new revision, the old one kept warm, so that the way back is a change of weights.

What can still be judged is watched (`watch`), and harm takes it back from here as from anywhere. Where something is
watched, the end needs data that are of now; without them the old version stays warm for as long as the policy lets a
comparison take, and then `onInconclusive` decides.
"""

from dataclasses import replace
from datetime import timedelta

from modelrollout.api.base import seconds
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import Inconclusive
from modelrollout.plan.canary import can_carry
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import record
from modelrollout.plan.rollback import inconclusive
from modelrollout.plan.situation import Situation
from modelrollout.plan.watch import is_watched, soak_weight


def soak(situation: Situation) -> Decision:
    policy = situation.observation.spec.soak
    hold = timedelta(seconds=seconds(policy.hold_for)) if policy else timedelta()
    if situation.observation.status.weight != soak_weight(situation.observation.spec):
        return _shift(situation)
    age = min(situation.stage_age(), situation.weight_age())  # the last weight of a canary may be the soak's already
    if age < hold:
        ends = situation.now + hold - age
        return situation.decision(
            stage=StageName.SOAK,
            reason="Soaking",
            message=f"{_share(situation)} on version {situation.candidate.spec.model.version}; "
            f"the old one is kept warm until {ends:%H:%M:%S}",
            weight=situation.observation.status.weight,
            capacity=100,
            wake_at=ends,
        )
    if not can_carry(situation, 100):
        return _waiting(situation)
    if is_watched(situation.observation.spec, StageName.SOAK) and (not situation.fresh or _has_paused(situation)):
        return _unseen(situation, since=age - hold)
    return promote(situation, reason="Promoted", message=f"version {situation.candidate.spec.model.version} is live")


def promote(situation: Situation, *, reason: str, message: str, by: str | None = None) -> Decision:
    """The candidate is the stable revision from now on. `by` is the person who asked for it."""
    return Decision(
        stage=StageName.LIVE,
        stable=situation.candidate.id,
        candidate=None,
        standing=Standing.READY,
        reason=reason,
        message=message,
        record=record(
            at=situation.now,
            outcome=Outcome.PROMOTE,
            reason=reason,
            message=message,
            stage=StageName.SOAK,
            weight=situation.observation.status.weight,
            judgement=situation.judgement,
            by=by,
        ),
        recorded_on=situation.candidate.id,
        ended={situation.stable.id: RevisionState.SUPERSEDED},
    )


def _shift(situation: Situation) -> Decision:
    """A policy without a canary comes here with weight 0, a promotion by `onInconclusive` with what there was.

    Traffic moves when the candidate can carry all of it.
    """
    if not can_carry(situation, 100):
        return _waiting(situation)
    weight = soak_weight(situation.observation.spec)
    message = f"{_share(situation)} goes to the candidate"
    return situation.decision(
        stage=StageName.SOAK,
        reason="AllTraffic" if weight == 100 else "AlmostAllTraffic",
        message=message,
        weight=weight,
        capacity=100,
        record=record(
            at=situation.now,
            outcome=Outcome.ADVANCE,
            reason="AllTraffic" if weight == 100 else "AlmostAllTraffic",
            message=message,
            stage=StageName.SOAK,
            weight=weight,
        ),
    )


def _share(situation: Situation) -> str:
    weight = soak_weight(situation.observation.spec)
    return "all traffic" if weight == 100 else f"{weight} % of the traffic"


def _has_paused(situation: Situation) -> bool:
    """Whether `onInconclusive` holds it: that is a person's to end."""
    conditions = situation.observation.status.conditions
    return any(c.type == "Paused" and c.status == "True" and c.reason == "Inconclusive" for c in conditions)


def _unseen(situation: Situation, *, since: timedelta) -> Decision:
    """The soak's time is over `since` then, and what its end rests on cannot be seen now."""
    status, rollout = situation.observation.status, situation.observation.spec.rollout
    reason, message = situation.progress("WaitingForMetrics")
    held = situation.decision(
        stage=StageName.SOAK,
        reason=reason,
        message=f"the soak is over, but not without a look: {message}",
        weight=status.weight,
        capacity=100,
    )
    if status.resumed_at is not None:
        since = min(since, situation.now - status.resumed_at)
    limit = timedelta(seconds=seconds(rollout.max_duration))
    if since < limit:
        return replace(held, wake_at=situation.now + limit - since)
    why = f"nothing could be seen for maxDuration {rollout.max_duration} after the soak"
    if rollout.on_inconclusive is Inconclusive.PROMOTE:
        return promote(situation, reason="PromotedInconclusive", message=f"{why}: {held.message}")
    return inconclusive(situation, held, why=why)


def _waiting(situation: Situation) -> Decision:
    return situation.decision(
        stage=StageName.SOAK,
        reason="WaitingForPods",
        message=f"{situation.candidate.ready} of {situation.replicas} pods of the candidate are ready",
        weight=situation.observation.status.weight,
        capacity=100,
    )
