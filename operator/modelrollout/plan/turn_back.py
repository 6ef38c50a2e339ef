"""From what is live to an earlier revision: asked by a person, or by an alert that names the live version.

While it soaks the old version is warm, and `rollback` needs only weights. Later its pods are gone: they come first, and
the traffic follows as far as they can carry it, so that there is never a hole in capacity. What was live stays until
the other carries everything. Nothing is asked of Prometheus, a registry or anybody on the way.

What the spec names when the way back begins is rejected: it is not tried again until the spec names another version,
or a person says retry.
"""

from collections.abc import Mapping
from datetime import datetime

from modelrollout.api.alerts import FiredAlert
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import DecisionRecord, Outcome, RevisionState
from modelrollout.plan.capacity import carried_weight
from modelrollout.plan.observation import Observation, RevisionView
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.pods import finding
from modelrollout.plan.records import record

WANTING = (RevisionState.ROLLED_BACK, RevisionState.REJECTED)


def last_live(view: RevisionView) -> datetime | None:
    """When it went live, the last time; None for one that never was."""
    if view.status.live_at is not None:
        return view.status.live_at
    return next((change.at for change in reversed(view.status.history) if change.state is RevisionState.LIVE), None)


def previous_of(
    observation: Observation, *, live: str | None = None, ended: Mapping[str, RevisionState] | None = None
) -> RevisionView | None:
    """Where a rollback of the live version goes: the one that was live last before it and was not found wanting.

    `live` is the live revision and `ended` what became of others, where the statuses do not say so yet. A state is
    asked only whether it was taken back: a way back that died at its first write has changed the state of where it
    was going.
    """
    former = [
        (since, view)
        for view in observation.revisions.values()
        if view.id not in (live or observation.status.stable, observation.status.candidate)
        and (ended or {}).get(view.id, view.status.state) not in WANTING
        and (since := last_live(view)) is not None
    ]
    return max(former, key=lambda one: one[0])[1] if former else None


def turn_back(
    observation: Observation,
    *,
    to: RevisionView,
    reason: str,
    why: str,
    now: datetime,
    by: str | None = None,
    alert: FiredAlert | None = None,
) -> Decision:
    """The beginning: on record with the version that is taken out of service."""
    stable, former = observation.stable, observation.status.candidate
    assert stable is not None
    from_version, to_version = stable.spec.model.version, to.spec.model.version
    message = f"version {from_version} is taken back to version {to_version} (revision {to.id}): {why}"
    return _going(
        observation,
        to=to,
        rejected=observation.target,
        reason=reason,
        message=message,
        record_=record(
            at=now,
            outcome=Outcome.ROLL_BACK,
            reason=reason,
            message=message,
            stage=StageName.LIVE,
            weight=100,
            by=by,
            alert=alert,
        ),
        ended={former: RevisionState.ROLLED_BACK} if former and former != to.id else {},
    )


def turning_back(observation: Observation, *, to: RevisionView, now: datetime) -> Decision:
    """The rest of it. Its reason and message are those of the beginning, which the condition keeps."""
    told = next((c for c in observation.status.conditions if c.type == "RolledBack" and c.status == "True"), None)
    reason = told.reason if told else "Rollback"
    version = to.spec.model.version
    message = told.message if told else f"the live version is taken back to version {version} (revision {to.id})"
    rejected = observation.status.rejected
    if to.ready < observation.spec.serving.replicas:
        return _going(observation, to=to, rejected=rejected, reason=reason, message=message)
    stable = observation.status.stable
    return Decision(
        stage=StageName.LIVE,
        stable=to.id,
        candidate=None,
        rejected=rejected,
        standing=Standing.ROLLED_BACK,
        reason=reason,
        message=message,
        record=record(
            at=now,
            outcome=Outcome.PROMOTE,
            reason="LiveAgain",
            message=f"version {version} is live again",
            stage=StageName.ROLLBACK,
            weight=100,
        ),
        recorded_on=to.id,
        ended={stable: RevisionState.ROLLED_BACK} if stable else {},
    )


def _going(
    observation: Observation,
    *,
    to: RevisionView,
    rejected: str | None,
    reason: str,
    message: str,
    record_: DecisionRecord | None = None,
    ended: Mapping[str, RevisionState] | None = None,
) -> Decision:
    replicas = observation.spec.serving.replicas
    trouble = finding(to, None)
    progress = f"{to.ready} of {replicas} pods of revision {to.id} are ready"
    return Decision(
        stage=StageName.ROLLBACK,
        stable=observation.status.stable,
        candidate=to.id,
        rejected=rejected,
        standing=Standing.ROLLED_BACK,
        reason=reason,
        message=message,
        weight=carried_weight(ready=to.ready, replicas=replicas),
        capacity=100,
        record=record_,
        recorded_on=observation.status.stable if record_ else None,
        ended=ended or {},
        progress=f"{progress}; {trouble.message}" if trouble else progress,
    )
