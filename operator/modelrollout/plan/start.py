"""The first moment of a rollout, and which stage comes after which."""

from datetime import datetime

from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.plan.canary import first_capacity
from modelrollout.plan.contracts import holds_at_start
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import record
from modelrollout.plan.review import after_review
from modelrollout.plan.snapshot import snapshot_of


def first_stage(spec: ModelDeploymentSpec) -> StageName:
    return StageName.EVALUATE if spec.rollout.offline else after_evaluation(spec)


def after_evaluation(spec: ModelDeploymentSpec) -> StageName:
    return StageName.SHADOW if spec.shadow else after_shadow(spec)


def after_shadow(spec: ModelDeploymentSpec) -> StageName:
    return StageName.REVIEW if spec.review else after_review(spec)


def start(observation: Observation, now: datetime) -> Decision:
    """A new candidate begins at the beginning; one that was on its way is taken out of traffic in the same plan."""
    former = observation.status.candidate
    stage = first_stage(observation.spec)
    message = f"version {observation.version} starts in stage {stage}"
    return Decision(
        stage=stage,
        stable=observation.status.stable,
        candidate=observation.target,
        standing=Standing.WORKING,
        reason="RolloutStarted",
        message=message,
        capacity=0 if _held_at_once(observation) else first_capacity(observation.spec, stage),
        record=record(at=now, outcome=Outcome.ADVANCE, reason="RolloutStarted", message=message, stage=stage, weight=0),
        recorded_on=observation.target,
        ended={former: RevisionState.SUPERSEDED} if former and former != observation.target else {},
    )


def _held_at_once(observation: Observation) -> bool:
    """A candidate whose contract lets it go nowhere needs no pods."""
    candidate, stable = snapshot_of(observation, observation.target), observation.stable
    return stable is not None and holds_at_start(observation.spec, candidate, live=stable.spec)
