"""Soak: all traffic on the new revision, the old one kept warm, so that the way back is a change of weights."""

from datetime import timedelta

from modelrollout.api.base import seconds
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.plan.canary import can_carry
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import record
from modelrollout.plan.situation import Situation


def soak(situation: Situation) -> Decision:
    policy = situation.observation.spec.soak
    hold = timedelta(seconds=seconds(policy.hold_for)) if policy else timedelta()
    if situation.observation.status.weight < 100:
        return _shift(situation)
    if situation.weight_age() < hold:
        ends = situation.now + hold - situation.weight_age()
        return situation.decision(
            stage=StageName.SOAK,
            reason="Soaking",
            message=f"all traffic on version {situation.candidate.spec.model.version}; "
            f"the old one is kept warm until {ends:%H:%M:%S}",
            weight=100,
            wake_at=ends,
        )
    if not can_carry(situation, 100):
        return _waiting(situation)
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
            weight=100,
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
    message = "all traffic goes to the candidate"
    return situation.decision(
        stage=StageName.SOAK,
        reason="AllTraffic",
        message=message,
        weight=100,
        record=record(
            at=situation.now,
            outcome=Outcome.ADVANCE,
            reason="AllTraffic",
            message=message,
            stage=StageName.SOAK,
            weight=100,
        ),
    )


def _waiting(situation: Situation) -> Decision:
    return situation.decision(
        stage=StageName.SOAK,
        reason="WaitingForPods",
        message=f"{situation.candidate.ready} of {situation.replicas} pods of the candidate are ready",
        weight=situation.observation.status.weight,
        capacity=100,
    )
