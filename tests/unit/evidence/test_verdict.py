"""All gates together."""

import math
from dataclasses import replace

import pytest

from modelrollout.evidence import (
    Counts,
    ErrorRates,
    EvidenceError,
    GateEvidence,
    GatePolicy,
    Interval,
    Verdict,
    judge,
    log_harm,
    log_safety,
    start,
    update,
    upper_bound,
)

RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)
NEW = start(planned_intervals=100)


def policy(name: str, weight: float = 1.0) -> GatePolicy:
    return GatePolicy(name=name, ratio=1.0, tolerate=0.001, promote_within=0.01, weight=weight)


def after(*, candidate: Counts, stable: Counts) -> GateEvidence:
    return update(NEW, policy("any"), Interval(candidate=candidate, stable=stable))


GOOD = after(candidate=Counts(2000, 2), stable=Counts(2000, 2))
BAD = after(candidate=Counts(500, 50), stable=Counts(2000, 2))
VAGUE = after(candidate=Counts(10, 0), stable=Counts(90, 0))


def with_log_harm(value: float) -> GateEvidence:
    """All of the stake in play, and grown to this."""
    return replace(VAGUE, planned_intervals=1, harm_logs=(value,) * len(VAGUE.harm_logs))


@pytest.mark.parametrize(
    ("gates", "together", "each"),
    [
        ([GOOD, GOOD], Verdict.Pass, [Verdict.Pass, Verdict.Pass]),
        ([GOOD, VAGUE], Verdict.Insufficient, [Verdict.Pass, Verdict.Insufficient]),
        ([GOOD, NEW], Verdict.NoData, [Verdict.Pass, Verdict.NoData]),
        ([VAGUE, NEW], Verdict.NoData, [Verdict.Insufficient, Verdict.NoData]),
        ([GOOD, BAD], Verdict.Fail, [Verdict.Pass, Verdict.Fail]),
        ([NEW, BAD], Verdict.Fail, [Verdict.NoData, Verdict.Fail]),
        ([BAD, BAD], Verdict.Fail, [Verdict.Fail, Verdict.Fail]),
        ([], Verdict.NoData, []),
    ],
)
def test_judge(gates: list[GateEvidence], together: Verdict, each: list[Verdict]) -> None:
    judgement = judge([(policy(f"gate {number}"), gate) for number, gate in enumerate(gates)], rates=RATES)
    assert judgement.verdict is together
    assert [gate.verdict for gate in judgement.gates] == each


def test_a_gate_whose_candidate_waits_for_stable_requests_has_data() -> None:
    waiting = update(NEW, policy("any"), Interval(candidate=Counts(3, 0), stable=Counts()))
    assert judge([(policy("any"), waiting)], rates=RATES).verdict is Verdict.Insufficient


def test_the_line_is_reached_exactly_at_the_weighted_mean() -> None:
    """One of two gates with E = 199 gives a mean of 100 with the other at E = 1."""
    for log_e, verdict in ((math.log(199.0001), Verdict.Fail), (math.log(198.9999), Verdict.Insufficient)):
        judgement = judge([(policy("a"), with_log_harm(log_e)), (policy("b"), with_log_harm(0.0))], rates=RATES)
        assert judgement.verdict is verdict
        assert judgement.log_harm == pytest.approx(math.log(100), abs=1e-5)
        assert judgement.harm_threshold == pytest.approx(math.log(100))
        assert judgement.safety_threshold == pytest.approx(math.log(20))


def test_weights_count_relative_to_each_other() -> None:
    heavy = [(policy("a", weight=6.0), with_log_harm(math.log(140))), (policy("b", weight=2.0), with_log_harm(0.0))]
    light = [(policy("a", weight=2.0), with_log_harm(math.log(140))), (policy("b", weight=6.0), with_log_harm(0.0))]
    assert judge(heavy, rates=RATES).log_harm == pytest.approx(math.log(0.75 * 140 + 0.25))
    assert judge(heavy, rates=RATES).verdict is Verdict.Fail
    assert judge(light, rates=RATES).log_harm == pytest.approx(math.log(0.25 * 140 + 0.75))
    assert judge(light, rates=RATES).verdict is Verdict.Insufficient


def test_a_gate_is_not_called_failed_while_all_together_are_not() -> None:
    judgement = judge([(policy("a"), with_log_harm(math.log(150))), (policy("b"), with_log_harm(0.0))], rates=RATES)
    assert judgement.culprit is None
    assert {gate.verdict for gate in judgement.gates} == {Verdict.Insufficient}


def test_the_culprit_has_the_largest_part() -> None:
    gates = [
        (policy("a", weight=1.0), with_log_harm(math.log(400))),
        (policy("b", weight=3.0), with_log_harm(math.log(200))),
    ]
    judgement = judge(gates, rates=RATES)
    assert judgement.culprit == "b"


def test_evidence_far_beyond_what_a_float_holds() -> None:
    judgement = judge([(policy("a"), with_log_harm(5000.0)), (policy("b"), with_log_harm(-1e6))], rates=RATES)
    assert judgement.log_harm == pytest.approx(5000 - math.log(2))
    assert judgement.verdict is Verdict.Fail


def test_a_gate_reports_its_numbers() -> None:
    judgement = judge({"errors": (policy("errors"), GOOD)}, rates=RATES)
    (gate,) = judgement.gates
    assert gate.gate == "errors"
    assert gate.log_harm == log_harm(GOOD) == pytest.approx(judgement.log_harm)
    assert gate.log_safety == log_safety(GOOD, policy("errors"))
    assert gate.upper_bound == upper_bound(GOOD, false_promotion=0.05)
    assert (gate.candidate, gate.stable, gate.intervals) == (Counts(2000, 2), Counts(2000, 2), 1)


def test_names_are_unique() -> None:
    with pytest.raises(EvidenceError, match="same name"):
        judge([(policy("a"), GOOD), (policy("a"), GOOD)], rates=RATES)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan])
def test_error_rates_lie_between_zero_and_one(rate: float) -> None:
    with pytest.raises(EvidenceError, match="falseRollback"):
        ErrorRates(false_rollback=rate, false_promotion=0.05)
    with pytest.raises(EvidenceError, match="falsePromotion"):
        ErrorRates(false_rollback=0.01, false_promotion=rate)
