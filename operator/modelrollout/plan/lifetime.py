"""When a revision was live, for how long, and why its part ended: what `kubectl get mrev` shows as a history."""

from datetime import datetime

from modelrollout.api.durations import told
from modelrollout.api.modelrevision import ModelRevisionStatus, RevisionState
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision

_OVER = (RevisionState.SUPERSEDED, RevisionState.ROLLED_BACK, RevisionState.REJECTED)


def lifetime(
    before: ModelRevisionStatus,
    *,
    observation: Observation,
    decision: Decision,
    id: str,
    state: RevisionState,
    now: datetime,
) -> tuple[datetime | None, str | None, str | None]:
    """When it went live the last time, for how long if that is over, and why its part ended if it has."""
    if state is before.state:
        return before.live_at, before.live_for, before.ended
    if state is RevisionState.LIVE:
        return now, None, None
    lived = before.live_for
    if before.state is RevisionState.LIVE and before.live_at is not None:
        lived = told(now - before.live_at)
    return before.live_at, lived, _why(observation, decision, id, state) if state in _OVER else None


def _why(observation: Observation, decision: Decision, id: str, state: RevisionState) -> str:
    if state is RevisionState.SUPERSEDED:
        return f"by version {_successor(observation, decision, id)}"
    gate = decision.record.gate if decision.record is not None else None
    return f"{decision.reason} ({gate})" if gate else decision.reason


def _successor(observation: Observation, decision: Decision, id: str) -> str:
    """The version that took the place of a live one, or of a candidate whose rollout it ended."""
    live = decision.stable != id and observation.status.stable == id
    view = observation.revision(decision.stable if live else decision.candidate or decision.stable)
    return view.spec.model.version if view is not None else observation.version
