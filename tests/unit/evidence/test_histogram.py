"""A histogram as one gate at each edge."""

import math

import pytest

from modelrollout.evidence import (
    Counts,
    ErrorRates,
    EvidenceError,
    GatePolicy,
    Interval,
    Verdict,
    judge,
    log_harm,
    start,
    update,
)
from modelrollout.evidence.histogram import at_edges, beyond
from modelrollout.evidence.logs import log_mean

LATENCY = GatePolicy(name="latency", ratio=1.0, tolerate=0.02, promote_within=0.05, weight=3.0)
RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)


def test_what_is_beyond_each_edge() -> None:
    assert beyond([5, 3, 2]) == (5, 2)
    assert beyond([7, 0]) == (0,)


def test_the_edges_share_the_weight_of_the_gate() -> None:
    edges = at_edges(LATENCY, 4)
    assert [edge.name for edge in edges] == ["latency[0]", "latency[1]", "latency[2]", "latency[3]"]
    assert {(edge.weight, edge.ratio, edge.tolerate, edge.promote_within) for edge in edges} == {
        (0.75, 1.0, 0.02, 0.05)
    }


def test_no_edge_is_no_gate() -> None:
    with pytest.raises(EvidenceError, match="two buckets"):
        at_edges(LATENCY, 0)


def test_harm_is_the_mean_over_the_edges_and_safe_is_what_is_safe_at_all() -> None:
    rates = [(0.5, 0.5), (0.3, 0.2), (0.01, 0.01)]
    pairs = []
    for edge, (candidate, stable) in zip(at_edges(LATENCY, 3), rates, strict=True):
        evidence = start(planned_intervals=10)
        interval = Interval(candidate=Counts(1000, 1000 * candidate), stable=Counts(3000, 3000 * stable))
        pairs.append((edge, update(evidence, edge, interval)))
    judgement = judge(pairs, rates=RATES)
    assert judgement.log_harm == pytest.approx(log_mean(log_harm(evidence) for _, evidence in pairs))
    assert judgement.culprit == "latency[1]"
    assert judgement.verdict is Verdict.Fail
    without = judge([pairs[0], pairs[2]], rates=RATES)
    assert without.log_harm < 0 < math.log(100)
    assert without.verdict is not Verdict.Fail
