"""How long a verdict will take: against what then happens."""

import math

import pytest

from modelrollout.evidence import (
    Bins,
    Counts,
    Evidence,
    GatePolicy,
    Interval,
    Levels,
    LimitEvidence,
    LimitPolicy,
    MeanPolicy,
    Policy,
    ShapePolicy,
    Spread,
    begin,
    kinds,
    observe,
    seconds_left,
)

THRESHOLD = math.log(20)
ERRORS = GatePolicy(name="errors", ratio=1.1, tolerate=0.001, promote_within=0.005)
LATENCY = ShapePolicy(name="latency", tolerate=0.02, promote_within=0.05)
HEAT = MeanPolicy(name="heat", tolerate=1.0, promote_within=3.0)


def fresh(policy: Policy) -> Evidence:
    return begin(policy, planned_seconds=7200, interval_seconds=5)


def left(evidence: Evidence, policy: Policy, *, per_second: float = 10.0) -> float | None:
    return seconds_left(evidence, policy, threshold=THRESHOLD, per_second=per_second, split=1.0)


def interval(requests: float, rate: float) -> Interval:
    return Interval(candidate=Counts(requests, requests * rate), stable=Counts(requests, requests * rate))


@pytest.mark.parametrize("rate", [0.0, 0.002, 0.01])
@pytest.mark.parametrize("known", [0, 1, 10])
def test_it_comes_true_when_things_go_on_as_they_are(rate: float, known: int) -> None:
    """Fifty requests each five seconds, all of the same kind; what was forecast after `known` of them."""
    evidence = fresh(ERRORS)
    for _ in range(known):
        evidence = observe(evidence, ERRORS, interval(50, rate))
    forecast = left(evidence, ERRORS)
    assert forecast is not None
    seconds = 0.0
    while (kinds.log_safety(evidence, ERRORS) or 0.0) < THRESHOLD:
        evidence = observe(evidence, ERRORS, interval(50, rate))
        seconds += 5
    if known == 0:  # the live version's rate is not known either, and half a percent is assumed
        assert seconds / 4 <= forecast <= 4 * seconds
    else:
        assert abs(forecast - seconds) <= 6


def test_what_is_safe_needs_no_more() -> None:
    assert left(observe(fresh(ERRORS), ERRORS, interval(5000, 0.001)), ERRORS) == 0


def test_without_traffic_nobody_can_tell() -> None:
    assert left(fresh(ERRORS), ERRORS, per_second=0.0) is None


def test_a_candidate_as_bad_as_the_margin_will_never_be_safe() -> None:
    bad = Interval(candidate=Counts(50000, 500), stable=Counts(50000, 0))
    assert left(observe(fresh(ERRORS), ERRORS, bad), ERRORS) is None


def test_half_the_traffic_takes_twice_as_long() -> None:
    evidence = observe(fresh(ERRORS), ERRORS, interval(50, 0.0))
    slow, fast = left(evidence, ERRORS, per_second=1.0), left(evidence, ERRORS, per_second=2.0)
    assert slow is not None
    assert fast is not None
    assert slow == pytest.approx(2 * fast)


def test_a_shape_waits_for_its_slowest_edge() -> None:
    bins = Bins(("0.1", "1"), 40.0, (20.0, 1.0))
    evidence = observe(fresh(LATENCY), LATENCY, Spread(candidate=bins, stable=bins))
    one_edge = Bins(("1",), 40.0, (1.0,))
    easy = observe(fresh(LATENCY), LATENCY, Spread(candidate=one_edge, stable=one_edge))
    assert (left(evidence, LATENCY) or 0.0) > (left(easy, LATENCY) or 0.0) > 0
    assert (left(fresh(LATENCY), LATENCY) or 0.0) > 0


def test_a_gauge_is_told_in_blocks_and_not_before_the_first_bet() -> None:
    evidence = fresh(HEAT)
    for block in range(4):
        evidence = observe(evidence, HEAT, Levels(1.0 + block % 2, 1.0, at=block * 180.0))
    assert left(evidence, HEAT) is None
    evidence = observe(evidence, HEAT, Levels(1.0, 1.0, at=4 * 180.0))
    told = left(evidence, HEAT)
    assert told is not None
    assert 2 * 180 <= told <= 20 * 180


def test_a_limit_takes_no_time() -> None:
    assert left(LimitEvidence(), LimitPolicy(name="memory", high=1.0)) == 0
