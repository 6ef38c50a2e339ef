"""The first revision: there is nothing to compare it with, so it goes live when all of its pods are ready."""

from datetime import datetime

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.data.compatibility import Finding, breaking
from modelrollout.plan.contracts import judge
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.pods import finding
from modelrollout.plan.records import record
from modelrollout.plan.snapshot import snapshot_of


def install(observation: Observation, now: datetime) -> Decision:
    target = observation.target
    former = observation.status.candidate
    ended = {former: RevisionState.SUPERSEDED} if former and former != target else {}
    replicas = observation.spec.serving.replicas
    revision = observation.revision(target)
    ready = revision.ready if revision else 0
    skewed = _skew(observation) if revision is None else None
    if skewed is not None:
        return Decision(
            stage=StageName.INSTALL,
            stable=None,
            candidate=None,
            standing=Standing.STALLED,
            reason="FeaturePipelineSkew",
            message=f"version {observation.spec.model.version} is not installed: {skewed}",
            ended=ended,
        )
    if revision and revision.workload and revision.workload.replicas == replicas and ready >= replicas:
        message = f"version {observation.version} is live: the first one, with nothing to compare it with"
        return Decision(
            stage=StageName.LIVE,
            stable=target,
            candidate=None,
            standing=Standing.READY,
            reason="Installed",
            message=message,
            record=record(
                at=now,
                outcome=Outcome.INSTALL,
                reason="Installed",
                message=message,
                stage=StageName.INSTALL,
                weight=100,
            ),
            recorded_on=target,
            ended=ended,
        )
    trouble = finding(revision, None) if revision else None
    return Decision(
        stage=StageName.INSTALL,
        stable=None,
        candidate=target,
        standing=Standing.STALLED if trouble else Standing.WORKING,
        reason=trouble.trouble if trouble else "Installing",
        message=trouble.message if trouble else f"{ready} of {replicas} pods are ready",
        capacity=100,
        ended=ended,
    )


def _skew(observation: Observation) -> Finding | None:
    """What would serve users wrong answers from the first one on; told before there is anything to take back."""
    made = snapshot_of(observation, observation.target)
    findings = breaking(judge(made, live=None)) if made is not None and observation.spec.contract is not None else ()
    return findings[0] if findings else None
