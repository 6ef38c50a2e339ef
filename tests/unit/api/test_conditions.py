"""The transition time of a condition moves when its status does, and only then."""

from datetime import UTC, datetime, timedelta

import pytest

from modelrollout.api.conditions import Condition, ConditionType, merge

EARLIER = datetime(2026, 10, 5, 12, tzinfo=UTC)
NOW = EARLIER + timedelta(minutes=5)


def ready(status: str, *, at: datetime, reason: str = "Live", message: str = "", generation: int = 1) -> Condition:
    return Condition.model_validate(
        {
            "type": ConditionType.READY,
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
            "lastTransitionTime": at,
        }
    )


def test_the_same_status_keeps_its_time_and_takes_the_rest() -> None:
    wanted = ready("True", at=NOW, reason="Promoted", message="version 7 is live", generation=2)
    (merged,) = merge((ready("True", at=EARLIER),), (wanted,))
    assert merged == wanted.model_copy(update={"last_transition_time": EARLIER})


@pytest.mark.parametrize(("before", "after"), [("True", "False"), ("False", "True"), ("Unknown", "False")])
def test_another_status_takes_the_new_time(before: str, after: str) -> None:
    wanted = ready(after, at=NOW)
    assert merge((ready(before, at=EARLIER),), (wanted,)) == (wanted,)


def test_a_new_condition_takes_the_new_time() -> None:
    wanted = ready("True", at=NOW)
    assert merge((), (wanted,)) == (wanted,)


def test_what_is_wanted_decides_which_there_are_and_in_which_order() -> None:
    stalled = ready("False", at=EARLIER).model_copy(update={"type": ConditionType.STALLED})
    paused = stalled.model_copy(update={"type": ConditionType.PAUSED})
    wanted = (paused, ready("True", at=NOW))
    merged = merge((ready("True", at=EARLIER), stalled), wanted)
    assert [condition.type for condition in merged] == [ConditionType.PAUSED, ConditionType.READY]
    assert [condition.last_transition_time for condition in merged] == [EARLIER, EARLIER]


def test_merging_twice_changes_nothing_more() -> None:
    once = merge((ready("True", at=EARLIER),), (ready("True", at=NOW),))
    assert merge(once, once) == once
