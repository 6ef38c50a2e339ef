"""When a version is left alone, and when it is asked again."""

from modelrollout.observer.guard import (
    BLOCK,
    FIRST_PAUSE_SECONDS,
    IN_A_ROW,
    LONGEST_PAUSE_SECONDS,
    Guard,
)
from tests.clock import ManualClock


def answers(guard: Guard, seconds: float, count: int = BLOCK) -> None:
    for _ in range(count):
        guard.answered(seconds)


def test_a_few_busy_answers_between_others_are_no_reason() -> None:
    guard = Guard(ManualClock())
    for _ in range(20):
        for _ in range(IN_A_ROW - 1):
            guard.busy()
        guard.answered(0.01)
    assert not guard.pausing


def test_busy_answers_in_a_row_make_a_pause_that_ends() -> None:
    clock = ManualClock()
    guard = Guard(clock)
    for _ in range(IN_A_ROW):
        guard.busy()
    assert guard.pausing
    clock.advance(FIRST_PAUSE_SECONDS)
    assert not guard.pausing
    assert guard.pauses == 1


def test_each_pause_is_longer_up_to_a_limit_until_all_is_well() -> None:
    clock = ManualClock()
    guard = Guard(clock)

    def pause() -> float:
        for _ in range(IN_A_ROW):
            guard.busy()
        began = clock.monotonic()
        while guard.pausing:
            clock.advance(1.0)
        return clock.monotonic() - began

    assert [pause() for _ in range(6)] == [5.0, 10.0, 20.0, 40.0, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    answers(guard, 0.01)
    assert pause() == FIRST_PAUSE_SECONDS


def test_a_version_that_becomes_slow_is_left_alone() -> None:
    guard = Guard(ManualClock())
    answers(guard, 0.05)
    answers(guard, 0.1)
    assert not guard.pausing
    answers(guard, 0.2)
    assert guard.pausing


def test_a_version_that_was_always_slow_is_not() -> None:
    guard = Guard(ManualClock())
    answers(guard, 2.0, 20 * BLOCK)
    assert guard.pauses == 0


def test_one_slow_answer_in_fifty_is_no_reason() -> None:
    guard = Guard(ManualClock())
    for _ in range(10):
        answers(guard, 0.05, BLOCK - 1)
        guard.answered(5.0)
    assert guard.pauses == 0


def test_times_that_the_network_makes_are_not_told_apart() -> None:
    guard = Guard(ManualClock())
    answers(guard, 0.001)
    answers(guard, 0.05)
    assert guard.pauses == 0


def test_what_is_slow_for_good_is_asked_again_in_the_end() -> None:
    clock = ManualClock()
    guard = Guard(clock)
    answers(guard, 0.1)
    for _ in range(20):
        answers(guard, 1.0)
        clock.advance(LONGEST_PAUSE_SECONDS)
    assert 0 < guard.pauses < 20
