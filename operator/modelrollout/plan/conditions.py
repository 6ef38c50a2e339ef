"""From how things stand to conditions that kubectl wait, kstatus, Argo CD and Flux read the same way.

| standing | Ready | Reconciling | Stalled | kstatus says |
|---|---|---|---|---|
| Ready | True | False | False | Current |
| Working, AwaitingReview | False | True | False | InProgress |
| Stalled, Paused, RolledBack | False | False | True | Failed |
"""

from datetime import datetime

from modelrollout.api.conditions import Condition, ConditionType, merge
from modelrollout.api.modeldeployment import StageName
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import cut


def conditions(
    decision: Decision, *, previous: tuple[Condition, ...], generation: int, now: datetime, tell_numbers: bool
) -> tuple[Condition, ...]:
    """`tell_numbers`: whether a message that differs from the written one in its numbers alone is worth a write."""
    standing = decision.standing
    under_way = (Standing.WORKING, Standing.STALLED, Standing.AWAITING_REVIEW)
    rolling = decision.stage is not StageName.LIVE and standing in under_way
    truths = {
        ConditionType.READY: standing is Standing.READY,
        ConditionType.RECONCILING: standing in (Standing.WORKING, Standing.AWAITING_REVIEW),
        ConditionType.STALLED: standing in (Standing.STALLED, Standing.PAUSED, Standing.ROLLED_BACK),
        ConditionType.PROGRESSING: rolling,
        ConditionType.ROLLED_BACK: standing is Standing.ROLLED_BACK,
        ConditionType.PAUSED: standing is Standing.PAUSED,
        ConditionType.AWAITING_REVIEW: standing is Standing.AWAITING_REVIEW,
    }
    before = {condition.type: condition for condition in previous}
    message = cut(decision.message)
    ready = before.get(ConditionType.READY)
    if not tell_numbers and ready is not None and ready.reason == decision.reason:
        message = ready.message
    wanted = tuple(
        Condition(
            type=kind,
            status="True" if truth else "False",
            reason=decision.reason,
            message=_message(kind, truth, decision, message),
            observed_generation=generation,
            last_transition_time=now,
        )
        for kind, truth in truths.items()
    )
    return merge(previous, wanted)


def _message(kind: ConditionType, truth: bool, decision: Decision, message: str) -> str:
    if kind is ConditionType.READY:
        return cut(f"{message}; {decision.progress}") if decision.progress else message
    return message if truth else ""


def broken(
    *, previous: tuple[Condition, ...], generation: int, now: datetime, reason: str, message: str
) -> tuple[Condition, ...]:
    """For an object that cannot be acted upon until a person changes something: Stalled, and nothing is under way."""
    truths = {ConditionType.READY: False, ConditionType.RECONCILING: False, ConditionType.STALLED: True}
    told = tuple(
        Condition(
            type=kind,
            status="True" if truth else "False",
            reason=reason,
            message=cut(message) if truth or kind is ConditionType.READY else "",
            observed_generation=generation,
            last_transition_time=now,
        )
        for kind, truth in truths.items()
    )
    others = tuple(condition for condition in previous if condition.type not in truths)
    return merge(previous, told) + others
