"""Limits: rules without an error rate."""

import json
import math

import pytest

from modelrollout.evidence import (
    Counts,
    ErrorRates,
    EvidenceError,
    GatePolicy,
    Interval,
    Kind,
    Level,
    LimitEvidence,
    LimitPolicy,
    Verdict,
    judge,
    start,
    update,
)
from modelrollout.evidence import limit as limits

RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)
THREE_OF_FIVE = LimitPolicy(name="lag", high=10.0, failures=3, of=5)
TWO_MINUTES = LimitPolicy(name="memory", high=0.9, hold_seconds=120.0)


def seen(policy: LimitPolicy, *looks: tuple[float, float]) -> LimitEvidence:
    """After these values, each with its time."""
    evidence = LimitEvidence()
    for value, at in looks:
        evidence = limits.update(evidence, policy, Level(value, at))
    return evidence


def verdict(policy: LimitPolicy, evidence: LimitEvidence) -> Verdict:
    return judge([(policy, evidence)], rates=RATES).verdict


def every(seconds: float, *values: float) -> list[tuple[float, float]]:
    return [(value, number * seconds) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), Verdict.NoData),
        ((5.0,), Verdict.Pass),
        ((10.0,), Verdict.Pass),
        ((11.0,), Verdict.Insufficient),
        ((11.0, 11.0, 5.0), Verdict.Pass),
        ((11.0, 11.0, 11.0), Verdict.Fail),
        ((11.0, 5.0, 11.0, 5.0, 11.0), Verdict.Fail),
        ((11.0, 11.0, 5.0, 5.0, 5.0, 11.0), Verdict.Insufficient),
    ],
)
def test_so_many_of_the_last_looks(values: tuple[float, ...], expected: Verdict) -> None:
    assert verdict(THREE_OF_FIVE, seen(THREE_OF_FIVE, *every(5, *values))) is expected


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0.95, 0.0), (0.95, 119.0)], Verdict.Insufficient),
        ([(0.95, 0.0), (0.95, 60.0), (0.95, 120.0)], Verdict.Fail),
        ([(0.95, 0.0), (0.5, 60.0), (0.95, 120.0)], Verdict.Insufficient),
        ([(0.95, 0.0), (0.95, 60.0), (0.5, 120.0)], Verdict.Pass),
        # Nothing was seen for longer than the time: it may have been well in between.
        ([(0.95, 0.0), (0.95, 130.0)], Verdict.Insufficient),
    ],
)
def test_beyond_without_pause_for_so_long(looks: list[tuple[float, float]], expected: Verdict) -> None:
    assert verdict(TWO_MINUTES, seen(TWO_MINUTES, *looks)) is expected


def test_a_lower_end() -> None:
    policy = LimitPolicy(name="workers", low=2.0)
    assert verdict(policy, seen(policy, (2.0, 0.0))) is Verdict.Pass
    assert verdict(policy, seen(policy, (1.0, 0.0))) is Verdict.Fail


@pytest.mark.parametrize("level", [Level(99.0, 5.0), Level(99.0, 4.0), Level(math.nan, 10.0), Level(math.inf, 10.0)])
def test_a_look_that_is_no_newer_or_no_number_is_none(level: Level) -> None:
    before = seen(THREE_OF_FIVE, (5.0, 5.0))
    assert limits.update(before, THREE_OF_FIVE, level) == before


def test_a_breach_is_a_fail_by_rule_and_takes_no_part_in_the_evidence() -> None:
    counts = GatePolicy(name="errors", ratio=1.1, tolerate=0.001, promote_within=0.01)
    good = update(start(planned_intervals=9), counts, Interval(candidate=Counts(99, 0), stable=Counts(99, 0)))
    alone = judge([(counts, good)], rates=RATES)
    both = judge([(counts, good), (THREE_OF_FIVE, seen(THREE_OF_FIVE, *every(5, 11, 11, 11)))], rates=RATES)
    assert both.log_harm == pytest.approx(alone.log_harm)
    assert (both.verdict, both.culprit, both.by_rule) == (Verdict.Fail, "lag", True)
    assert (both.gates[1].kind, both.gates[1].values, both.gates[1].upper_bound) == (Kind.LIMIT, (11.0,), None)


def test_evidence_of_harm_is_named_before_a_rule() -> None:
    counts = GatePolicy(name="errors", ratio=1.1, tolerate=0.001, promote_within=0.01)
    bad = update(start(planned_intervals=9), counts, Interval(candidate=Counts(999, 99), stable=Counts(999, 0)))
    both = judge([(THREE_OF_FIVE, seen(THREE_OF_FIVE, *every(5, 11, 11, 11))), (counts, bad)], rates=RATES)
    assert (both.verdict, both.culprit, both.by_rule) == (Verdict.Fail, "errors", False)


@pytest.mark.parametrize("values", [(), (11.0, 5.0, 11.0)])
def test_it_is_stored_and_read_back(values: tuple[float, ...]) -> None:
    evidence = seen(THREE_OF_FIVE, *every(5, *values))
    assert LimitEvidence.from_dict(json.loads(json.dumps(evidence.to_dict()))) == evidence


@pytest.mark.parametrize(
    "change", [{"looks": "012"}, {"looks": 3}, {"looks": "0" * 61}, {"at": "now"}, {"value": math.inf}]
)
def test_what_no_operator_wrote_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(EvidenceError, match="Stored evidence"):
        LimitEvidence.from_dict({**LimitEvidence().to_dict(), **change})


def test_a_limit_needs_an_end_and_sensible_numbers() -> None:
    for wrong in (
        {},
        {"low": 2.0, "high": 1.0},
        {"high": 1.0, "failures": 3, "of": 2},
        {"high": 1.0, "failures": 0},
        {"high": 1.0, "hold_seconds": -1.0},
    ):
        with pytest.raises(EvidenceError, match="Gate lag"):
            LimitPolicy(name="lag", **wrong)  # type: ignore[arg-type]
