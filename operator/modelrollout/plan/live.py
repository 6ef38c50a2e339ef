"""No rollout under way: the live version is what the spec names, or the one that it names was rolled back."""

from datetime import datetime

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.revision import child_name
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.pods import finding
from modelrollout.plan.records import record


def live(observation: Observation, now: datetime) -> Decision:
    """The spec names the stable revision. A candidate that was on its way was reverted by the user."""
    stable = observation.stable
    replicas = observation.spec.serving.replicas
    ready = stable.ready if stable else 0
    former = observation.status.candidate
    version = observation.version
    standing, reason, message = Standing.READY, "Live", f"version {version} is live"
    if ready < replicas:
        trouble = finding(stable, None) if stable else None
        standing = Standing.STALLED if trouble else Standing.WORKING
        reason = trouble.trouble if trouble else "Scaling"
        message = trouble.message if trouble else f"{ready} of {replicas} pods of version {version} are ready"
    return Decision(
        stage=StageName.LIVE,
        stable=observation.status.stable,
        candidate=None,
        standing=standing,
        reason=reason,
        message=message,
        record=record(
            at=now,
            outcome=Outcome.SUPERSEDE,
            reason="Reverted",
            message=f"the spec names version {version} again, which is live",
            stage=observation.status.stage or StageName.LIVE,
            weight=0,
        )
        if former
        else None,
        recorded_on=former,
        ended={former: RevisionState.SUPERSEDED} if former else {},
    )


def stable_unknown(observation: Observation) -> Decision:
    """Somebody deleted the live version's ModelRevision. Its pods serve on, but nothing is left to go back to."""
    stable = observation.status.stable or ""
    return Decision(
        stage=StageName.LIVE,
        stable=stable,
        candidate=None,
        standing=Standing.STALLED,
        reason="StableRevisionMissing",
        message=f"the ModelRevision {child_name(observation.name, stable)} of the live version is gone; "
        f"apply version {observation.status.stable_version} again to restore it, then the new one",
    )


def content_missing(observation: Observation, reason: str, message: str, *, waits: bool = False) -> Decision:
    """The spec refers to something that cannot be read, so nobody knows what is wanted: what is there stays.

    `waits`: it is being asked for, and nothing is amiss yet.
    """
    status = observation.status
    stable = status.stable
    return Decision(
        stage=StageName.LIVE if stable else StageName.INSTALL,
        stable=stable,
        candidate=None,
        rejected=status.rejected,
        standing=Standing.WORKING if waits else Standing.STALLED,
        reason=reason,
        message=message,
    )


def rolled_back(observation: Observation) -> Decision:
    """The spec still names a revision that was taken back: nothing is tried again until it names another one."""
    before = next((c for c in observation.status.conditions if c.type == "RolledBack" and c.status == "True"), None)
    return Decision(
        stage=StageName.LIVE,
        stable=observation.status.stable,
        candidate=None,
        rejected=observation.status.rejected,
        standing=Standing.ROLLED_BACK,
        reason=before.reason if before else "RolledBack",
        message=before.message if before else f"version {observation.version} was rolled back",
    )
