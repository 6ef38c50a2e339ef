"""From readings to what was served: first sight, growth, resets, gaps, nonsense."""

import math

import pytest

from modelrollout.evidence import Counts, carry, difference, readings

Pods = dict[str, Counts]


@pytest.mark.parametrize(
    ("previous", "current", "started_since", "expected"),
    [
        pytest.param({"a": Counts(100, 5)}, {"a": Counts(130, 6)}, (), Counts(30, 1), id="growth"),
        pytest.param(
            {"a": Counts(100, 5), "b": Counts(10, 1)},
            {"a": Counts(130, 6), "b": Counts(10, 1)},
            (),
            Counts(30, 1),
            id="an idle pod adds nothing",
        ),
        pytest.param({}, {"a": Counts(130, 6)}, (), Counts(), id="first seen: a baseline"),
        pytest.param({}, {"a": Counts(130, 6)}, ("a",), Counts(130, 6), id="first seen, but young: all is new"),
        pytest.param({"a": Counts(100, 5)}, {"a": Counts(130, 6)}, ("a",), Counts(30, 1), id="young, but known"),
        pytest.param({"a": Counts(100, 5)}, {"a": Counts(7, 2)}, (), Counts(7, 2), id="total dropped: a reset"),
        pytest.param({"a": Counts(100, 5)}, {"a": Counts(120, 2)}, (), Counts(120, 2), id="bad dropped: a reset"),
        pytest.param({"a": Counts(100, 5)}, {}, (), Counts(), id="missing now: nothing"),
        pytest.param(
            {"a": Counts(100, 5), "b": Counts(50, 0)},
            {"a": Counts(110, 6), "c": Counts(9, 9)},
            (),
            Counts(10, 1),
            id="pods come and go",
        ),
        pytest.param({"a": Counts(100, 5)}, {"a": Counts(100, 6)}, (), Counts(0, 0), id="an error before its request"),
        pytest.param(
            {"a": Counts(100, 5), "b": Counts(50, 0)},
            {"a": Counts(100, 6), "b": Counts(60, 0)},
            (),
            Counts(10, 1),
            id="an error before its request, among others",
        ),
    ],
)
def test_difference(previous: Pods, current: Pods, started_since: tuple[str, ...], expected: Counts) -> None:
    assert difference(previous=previous, current=current, started_since=started_since) == expected


@pytest.mark.parametrize(
    "unreadable", [(math.nan, 1), (1, math.nan), (math.inf, 1), (math.inf, math.inf), (-1, 0), (1, -1)]
)
def test_an_unreadable_pod_is_a_missing_pod(unreadable: tuple[float, float]) -> None:
    assert readings({"a": unreadable, "b": (10, 1)}) == {"b": Counts(10, 1)}


def test_a_reading_never_has_more_bad_requests_than_requests() -> None:
    assert readings({"a": (10, 11)}) == {"a": Counts(10, 10)}


def test_a_gap_merges_two_intervals() -> None:
    baseline: Pods = {"a": Counts(100, 5), "b": Counts(10, 0)}
    without_a = readings({"a": (math.nan, math.nan), "b": (12, 1)})
    assert difference(previous=baseline, current=without_a) == Counts(2, 1)
    baseline = carry(previous=baseline, current=without_a)
    assert baseline == {"a": Counts(100, 5), "b": Counts(12, 1)}
    assert difference(previous=baseline, current={"a": Counts(160, 8), "b": Counts(12, 1)}) == Counts(60, 3)


def test_pods_that_are_gone_are_forgotten() -> None:
    before: Pods = {"a": Counts(1, 0), "b": Counts(2, 0)}
    assert carry(previous=before, current={}, gone={"a"}) == {"b": Counts(2, 0)}
