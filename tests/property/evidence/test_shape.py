"""Histograms: no bet gains under its null at any edge, in either direction; and the laws of what is kept."""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelrollout.evidence import Bins, ErrorRates, Spread, Verdict, harm, judge, shape
from modelrollout.evidence.shape import Edge, ShapeEvidence, ShapePolicy
from tests.property.evidence.exact import TOLERANCE

EDGES = ("0.1", "0.5")
NOTHING = (-math.inf,) * len(harm.BETS)
Shares = tuple[float, float, float]
"""Probability of each of three buckets: up to 0.1, up to 0.5, beyond."""

buckets = st.tuples(*(st.integers(0, 20) for _ in range(3))).filter(any)
sizes = st.integers(1, 3)


def shares(weights: tuple[int, ...]) -> Shares:
    first, second, third = (weight / sum(weights) for weight in weights)
    return first, second, third


def beyond(spread: Shares) -> tuple[float, float]:
    """The share beyond each edge."""
    return spread[1] + spread[2], spread[2]


def distance(candidate: Shares, stable: Shares) -> float:
    """Kolmogorov and Smirnov's, over the two edges."""
    return max(abs(c - s) for c, s in zip(beyond(candidate), beyond(stable), strict=True))


def outcomes(spread: Shares, requests: int) -> Iterator[tuple[float, Bins]]:
    for drawn in itertools.product(range(3), repeat=requests):
        chance = math.prod(spread[bucket] for bucket in drawn)
        if chance > 0:
            past = tuple(float(sum(bucket > edge for bucket in drawn)) for edge in range(2))
            yield chance, Bins(EDGES, float(requests), past)


def expected(
    candidate: Shares, stable: Shares, n_c: int, n_s: int, policy: ShapePolicy, *, safety: bool, past: float = 0.0
) -> float:
    """`past`: which share of the live version's requests was beyond each edge before, over and over again."""
    began = replace(
        shape.start(policy, planned_intervals=1),
        edges={edge: Edge(fewer=NOTHING if policy.both else (), history=10_000 * past) for edge in EDGES},
        history_total=10_000.0,
    )
    mean = 0.0
    for (chance, c), (likely, s) in itertools.product(outcomes(candidate, n_c), list(outcomes(stable, n_s))):
        evidence = shape.update(began, policy, Spread(candidate=c, stable=s))
        log_e = shape.log_safety(evidence, policy) if safety else shape.log_harm(evidence)
        mean += chance * likely * math.exp(log_e)
    return mean


@given(buckets, buckets, sizes, sizes, st.booleans())
@settings(deadline=None, max_examples=60)
def test_harm_in_any_direction_is_no_gain_within_the_tolerance(
    candidate: tuple[int, ...], stable: tuple[int, ...], n_c: int, n_s: int, both: bool
) -> None:
    c, s = shares(candidate), shares(stable)
    tolerate = distance(c, s) if both else max(0.0, *(x - y for x, y in zip(beyond(c), beyond(s), strict=True)))
    assume(tolerate < 1)
    policy = ShapePolicy(name="g", tolerate=tolerate, promote_within=1.0, both=both)
    assert expected(c, s, n_c, n_s, policy, safety=False) <= 1 + TOLERANCE


@given(buckets, buckets, sizes, sizes, st.sampled_from([0.0, 0.4, 0.6, 1.0]), st.booleans())
@settings(deadline=None, max_examples=120)
def test_safety_is_no_gain_beyond_the_margin_at_any_one_edge(
    candidate: tuple[int, ...], stable: tuple[int, ...], n_c: int, n_s: int, past: float, both: bool
) -> None:
    """Whatever was seen before, and whether or not that was anything like what is seen now."""
    c, s = shares(candidate), shares(stable)
    margin = distance(c, s) if both else max(x - y for x, y in zip(beyond(c), beyond(s), strict=True))
    assume(margin > 0)
    policy = ShapePolicy(name="g", tolerate=0.0, promote_within=margin, both=both)
    assert expected(c, s, n_c, n_s, policy, safety=True, past=past) <= 1 + TOLERANCE


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("share", "requests"), [(0.0, 100), (0.01, 200), (0.99, 800), (1.0, 800)])
def test_an_edge_that_nearly_nobody_or_nearly_everybody_is_beyond_costs_few_requests(
    both: bool, share: float, requests: int
) -> None:
    policy = ShapePolicy(name="g", tolerate=0.03, promote_within=0.06, both=both)
    alike = Bins(("e",), 10.0, (10 * share,))
    evidence = shape.start(policy, planned_intervals=300)
    for _ in range(requests // 10):
        evidence = shape.update(evidence, policy, Spread(candidate=alike, stable=alike))
    assert shape.log_safety(evidence, policy) >= math.log(20)


totals = st.integers(1, 400)


@st.composite
def bins(draw: st.DrawFn) -> Bins:
    total = draw(totals)
    low = draw(st.integers(0, total))
    return Bins(EDGES, float(total), (float(low), float(draw(st.integers(0, low)))))


empty = st.just(Bins(EDGES, 0.0, (0.0, 0.0)))
spreads = st.builds(Spread, candidate=bins() | empty, stable=bins() | empty)
POLICY = ShapePolicy(name="g", tolerate=0.03, promote_within=0.1, both=True)


def collect(seen: list[Spread], *, phi: float = 1.0) -> ShapeEvidence:
    evidence = shape.start(POLICY, planned_intervals=5, phi=phi)
    for spread in seen:
        evidence = shape.update(evidence, POLICY, spread)
    return evidence


@given(st.lists(spreads, max_size=6), st.sets(st.integers(0, 5)), st.floats(1.0, 3.0))
@settings(deadline=None, max_examples=60)
def test_a_restart_between_any_two_intervals_changes_no_evidence(
    seen: list[Spread], restarts: set[int], phi: float
) -> None:
    through, cut = collect(seen, phi=phi), shape.start(POLICY, planned_intervals=5, phi=phi)
    for number, spread in enumerate(seen):
        cut = shape.update(cut, POLICY, spread)
        if number in restarts:
            cut = ShapeEvidence.from_dict(json.loads(json.dumps(cut.to_dict())))
    assert shape.log_harm(cut) == pytest.approx(shape.log_harm(through), abs=1e-3)
    assert shape.log_safety(cut, POLICY) == pytest.approx(shape.log_safety(through, POLICY), abs=1e-3)
    assert (cut.candidate_total, cut.stable_total, cut.pending) == (
        through.candidate_total,
        through.stable_total,
        through.pending,
    )


@given(st.lists(spreads, max_size=6))
@settings(deadline=None, max_examples=60)
def test_storing_never_adds_evidence(seen: list[Spread]) -> None:
    evidence = collect(seen)
    read = ShapeEvidence.from_dict(json.loads(json.dumps(evidence.to_dict())))
    assert read.to_dict() == evidence.to_dict()
    assert shape.log_harm(read) <= shape.log_harm(evidence) + 1e-12
    assert shape.upper_bound(read, false_promotion=0.05) >= shape.upper_bound(evidence, false_promotion=0.05) - 1e-5


@given(st.lists(spreads, min_size=1, max_size=6), st.floats(0.01, 0.3))
@settings(deadline=None, max_examples=60)
def test_the_upper_bound_is_where_every_edge_is_safe(seen: list[Spread], false_promotion: float) -> None:
    evidence = collect(seen)
    bound = shape.upper_bound(evidence, false_promotion=false_promotion)
    assume(0 < bound < 1)
    line = math.log(1 / false_promotion)
    at = ShapePolicy(name="g", tolerate=0.0, promote_within=min(1.0, bound + 1e-7), both=True)
    below = ShapePolicy(name="g", tolerate=0.0, promote_within=bound * 0.999, both=True)
    assert shape.log_safety(evidence, at) >= line - 1e-6
    assert shape.log_safety(evidence, below) < line


@pytest.mark.parametrize(
    ("candidate", "verdict"),
    [
        ((700.0, 100.0), Verdict.Pass),
        ((950.0, 100.0), Verdict.Fail),  # more beyond the first edge
        ((400.0, 100.0), Verdict.Fail),  # fewer
        ((700.0, 350.0), Verdict.Fail),
    ],
)
def test_a_shift_at_any_edge_in_any_direction_is_found(candidate: tuple[float, float], verdict: Verdict) -> None:
    stable = Bins(EDGES, 1000.0, (700.0, 100.0))
    evidence = shape.start(POLICY, planned_intervals=4)
    for _ in range(4):
        evidence = shape.update(evidence, POLICY, Spread(candidate=Bins(EDGES, 1000.0, candidate), stable=stable))
    judgement = judge([(POLICY, evidence)], rates=ErrorRates(false_rollback=0.01, false_promotion=0.05))
    assert judgement.verdict is verdict


def test_an_interval_that_lacks_an_edge_is_not_judged() -> None:
    known = collect([Spread(candidate=Bins(EDGES, 10.0, (5.0, 1.0)), stable=Bins(EDGES, 10.0, (5.0, 1.0)))])
    other = Bins(("0.1", "2"), 10.0, (9.0, 9.0))
    after = shape.update(known, POLICY, Spread(candidate=other, stable=other))
    assert after == known
