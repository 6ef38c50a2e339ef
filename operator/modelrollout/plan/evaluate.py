"""Evaluate: the offline metrics of both versions are compared, and the candidate has no pods yet.

One that is worse is rejected and never rolled out. One that cannot be compared waits, because evaluations are often
logged after the version was registered; when `maxDuration` is over, `onInconclusive` says what then.
"""

from datetime import datetime, timedelta

from modelrollout.api.base import seconds
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import Inconclusive
from modelrollout.evidence import Verdict
from modelrollout.plan.canary import first_capacity
from modelrollout.plan.observation import Observation
from modelrollout.plan.offline import Comparison, compared
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import record
from modelrollout.plan.rollback import halted, stand_still
from modelrollout.plan.situation import Situation
from modelrollout.plan.start import after_evaluation


def awaits_metrics(observation: Observation) -> bool:
    """Whether news from the registry about the metrics of both versions could decide something."""
    candidate, stable = observation.candidate, observation.stable
    if observation.status.stage is not StageName.EVALUATE or candidate is None or stable is None:
        return False
    return compared(observation, candidate=candidate, stable=stable).verdict is Verdict.NoData


def evaluate(situation: Situation) -> Decision:
    observation = situation.observation
    if not observation.spec.rollout.offline:
        return _pass(situation, reason="OfflineRemoved", message="rollout.offline was taken out of the policy")
    found = compared(observation, candidate=situation.candidate, stable=situation.stable)
    match found.verdict:
        case Verdict.Fail:
            return _reject(situation, found, reason="OfflineWorse")
        case Verdict.Pass if halted(situation) and situation.now >= _ends(situation):
            return stand_still(situation, stage=StageName.EVALUATE, why=found.message)
        case Verdict.Pass:
            return _pass(situation, reason="OfflinePassed", message=f"offline metrics: {found.message}", found=found)
        case _:
            return _hold(situation, found)


def _hold(situation: Situation, found: Comparison) -> Decision:
    limit, ends = situation.observation.spec.rollout.max_duration, _ends(situation)
    if situation.now < ends:
        return situation.decision(
            stage=StageName.EVALUATE, reason="NoData", message=f"holding: {found.message}", wake_at=ends
        )
    why = f"nothing was decided within maxDuration {limit}: {found.message}"
    match situation.observation.spec.rollout.on_inconclusive:
        case Inconclusive.ROLLBACK:
            return _reject(situation, Comparison(verdict=found.verdict, message=why), reason="Inconclusive")
        case Inconclusive.PROMOTE:
            return _pass(situation, reason="OfflineInconclusive", message=why, found=found)
        case Inconclusive.PAUSE:
            return stand_still(situation, stage=StageName.EVALUATE, why=why)


def _ends(situation: Situation) -> datetime:
    """When `maxDuration` is over. A person who resumes it begins it anew."""
    status = situation.observation.status
    begun = status.resumed_at or status.stage_started_at or situation.now
    return begun + timedelta(seconds=seconds(situation.observation.spec.rollout.max_duration))


def _pass(situation: Situation, *, reason: str, message: str, found: Comparison | None = None) -> Decision:
    stage = after_evaluation(situation.observation.spec)
    made = record(at=situation.now, outcome=Outcome.ADVANCE, reason=reason, message=message, stage=stage, weight=0)
    return situation.decision(
        stage=stage,
        reason=reason,
        message=message,
        capacity=first_capacity(situation.observation.spec, stage),
        record=made.model_copy(update={"verdict": found.verdict.value}) if found else made,
    )


def _reject(situation: Situation, found: Comparison, *, reason: str) -> Decision:
    candidate = situation.candidate
    message = f"version {candidate.spec.model.version} was rejected before it got a pod: {found.message}"
    made = record(
        at=situation.now,
        outcome=Outcome.ROLL_BACK,
        reason=reason,
        message=message,
        stage=StageName.EVALUATE,
        weight=0,
    )
    return Decision(
        stage=StageName.LIVE,
        stable=situation.stable.id,
        candidate=None,
        rejected=candidate.id,
        standing=Standing.ROLLED_BACK,
        reason=reason,
        message=message,
        record=made.model_copy(update={"verdict": found.verdict.value, "gate": found.metric}),
        recorded_on=candidate.id,
        ended={candidate.id: RevisionState.REJECTED},
    )
