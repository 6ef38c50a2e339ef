"""When a revision was live, for how long, and why its part ended: what `kubectl get mrev` shows as a history."""

from datetime import datetime, timedelta

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


def told(span: timedelta) -> str:
    """As kubectl shows an age: its two largest units, such as `3d4h` or `12m30s`."""
    left = max(0, int(span.total_seconds()))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts.append(f"{count}{unit}" if count else "")
    first = next((place for place, part in enumerate(parts) if part), len(parts) - 1)
    return "".join(parts[first : first + 2]) or "0s"
