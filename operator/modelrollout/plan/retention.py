"""What is kept of what is over: revisions up to a limit, and the actions that were answered last."""

from datetime import UTC, datetime

from modelrollout.api.modeldeployment import AnsweredAction
from modelrollout.api.rolloutaction import MAX_KEPT
from modelrollout.plan.actions import RemoveRequest, RemoveRevision
from modelrollout.plan.observation import Observation, RevisionView
from modelrollout.plan.plan import Decision
from modelrollout.plan.turn_back import previous_of

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def too_old(observation: Observation, decision: Decision) -> list[RemoveRevision]:
    """Revisions beyond the limit, those that had a part last staying longest.

    Never one that has pods or a Service, nor the live one, the one before it, those of the rollout, or one that was
    rejected while the spec still names it.
    """
    former = previous_of(observation, live=decision.stable)
    status = observation.status
    needed = {
        *(decision.stable, decision.candidate, decision.rejected, observation.target),
        *(status.stable, status.candidate, status.previous, former.id if former else None),
    }
    excess = len(observation.revisions) - observation.spec.revision_history_limit
    idle = [
        view
        for view in observation.revisions.values()
        if view.id not in needed and view.workload is None and view.service is None
    ]
    return [RemoveRevision(revision=view.id) for view in sorted(idle, key=_last_part)[: max(0, excess)]]


def _last_part(view: RevisionView) -> tuple[datetime, str]:
    changed = view.status.history[-1].at if view.status.history else view.created_at
    return changed or _LONG_AGO, view.id


def answered_long_ago(observation: Observation) -> list[RemoveRequest]:
    answered = sorted(
        (action for action in observation.actions if action.answered), key=lambda one: (one.created_at, one.name)
    )
    return [RemoveRequest(name=action.name) for action in answered[: max(0, len(answered) - MAX_KEPT)]]


def untold(observation: Observation, answers: tuple[AnsweredAction, ...]) -> tuple[AnsweredAction, ...]:
    """Answers that are decided and stand in no action's status yet."""
    waiting = {action.uid for action in observation.actions if not action.answered}
    return tuple(answer for answer in answers if answer.uid in waiting)
