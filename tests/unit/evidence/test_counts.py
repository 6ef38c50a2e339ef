"""What counts may be."""

import math

import pytest

from modelrollout.evidence import Counts, EvidenceError, Interval


def test_counts_and_intervals_add_up() -> None:
    one = Interval(candidate=Counts(10, 1), stable=Counts(90, 2))
    other = Interval(candidate=Counts(5, 0), stable=Counts(45, 3))
    assert one + other == Interval(candidate=Counts(15, 1), stable=Counts(135, 5))


@pytest.mark.parametrize(
    ("total", "bad", "sentence"),
    [
        (-1, 0, "must not be negative"),
        (1, -1, "must not be negative"),
        (math.nan, 0, "must be finite"),
        (1, math.inf, "must be finite"),
        (10, 11, "more bad requests"),
        (10, 10.001, "more bad requests"),
    ],
)
def test_impossible_counts_are_refused(total: float, bad: float, sentence: str) -> None:
    with pytest.raises(EvidenceError, match=sentence):
        Counts(total, bad)


def test_a_rounding_error_is_no_impossible_count() -> None:
    assert Counts(0.3, 0.1 + 0.2) == Counts(0.3, 0.3)
    assert Counts(0.0, 1e-9) == Counts(0.0, 0.0)
