"""Laws that evidence, its stored form and the judgement of all gates obey for any traffic."""

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.evidence import (
    Counts,
    ErrorRates,
    GateEvidence,
    GatePolicy,
    Interval,
    judge,
    log_harm,
    log_safety,
    next_weight,
    start,
    update,
    upper_bound,
)

RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)
EMPTY = Interval(candidate=Counts(), stable=Counts())


@st.composite
def counts(draw: st.DrawFn, least: int = 0) -> Counts:
    total = draw(st.integers(least, 5000) | st.floats(least, 5000.0))
    return Counts(total=total, bad=total * draw(st.floats(0.0, 1.0) | st.floats(0.0, 0.02)))


intervals = st.builds(Interval, candidate=counts(), stable=counts())
full_intervals = st.builds(Interval, candidate=counts(least=1), stable=counts(least=1))
policies = st.builds(
    GatePolicy,
    name=st.uuids().map(str),
    ratio=st.sampled_from([0.0, 0.5, 1.0, 1.1, 2.0]),
    tolerate=st.sampled_from([0.0, 0.001, 0.02]),
    promote_within=st.sampled_from([0.03, 0.1, 1.0]),
    weight=st.floats(0.1, 10.0),
)


def collect(policy: GatePolicy, seen: list[Interval], *, planned: int = 5, phi: float = 1.0) -> GateEvidence:
    evidence = start(planned_intervals=planned, phi=phi)
    for interval in seen:
        evidence = update(evidence, policy, interval)
    return evidence


@given(policies, st.lists(intervals, max_size=6), st.data())
@settings(deadline=None, max_examples=100)
def test_empty_intervals_change_nothing_anywhere(policy: GatePolicy, seen: list[Interval], data: st.DataObject) -> None:
    padded = list(seen)
    for _ in range(3):
        padded.insert(data.draw(st.integers(0, len(padded))), EMPTY)
    assert collect(policy, padded) == collect(policy, seen)


@given(st.lists(st.tuples(policies, st.lists(intervals, max_size=4)), min_size=1, max_size=4), st.randoms())
@settings(deadline=None, max_examples=50)
def test_the_order_of_gates_does_not_matter(
    gates: list[tuple[GatePolicy, list[Interval]]], shuffler: random.Random
) -> None:
    pairs = {policy.name: (policy, collect(policy, seen)) for policy, seen in gates}
    one = judge(pairs, rates=RATES)
    shuffled = list(pairs.values())
    shuffler.shuffle(shuffled)
    other = judge(shuffled, rates=RATES)
    assert other.verdict is one.verdict
    assert other.log_harm == pytest.approx(one.log_harm, abs=1e-9)
    assert {gate.gate: gate for gate in other.gates} == {gate.gate: gate for gate in one.gates}


@given(policies, st.lists(full_intervals, min_size=1, max_size=4), st.floats(0.0, 1.0), st.data())
@settings(deadline=None, max_examples=100)
def test_more_bad_candidate_requests_never_look_better(
    policy: GatePolicy, seen: list[Interval], worse_by: float, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(seen) - 1))
    good = seen[place].candidate
    worse = list(seen)
    worse[place] = Interval(
        candidate=Counts(total=good.total, bad=good.bad + worse_by * (good.total - good.bad)),
        stable=seen[place].stable,
    )
    before, after = collect(policy, seen), collect(policy, worse)
    assert upper_bound(after, false_promotion=0.05) >= upper_bound(before, false_promotion=0.05) - 1e-8
    assert log_safety(after, policy) <= log_safety(before, policy) + 1e-9
    assert log_harm(after) >= log_harm(before) - 1e-9


@given(policies, st.lists(intervals, max_size=5), st.floats(0.001, 0.5))
@settings(deadline=None, max_examples=100)
def test_the_upper_bound_is_where_safety_is_shown(
    policy: GatePolicy, seen: list[Interval], false_promotion: float
) -> None:
    evidence = collect(policy, seen)
    bound = upper_bound(evidence, false_promotion=false_promotion)
    line = math.log(1 / false_promotion)

    def shown(excess: float) -> float:
        gate = GatePolicy(name="g", ratio=policy.ratio, tolerate=0.0, promote_within=excess)
        return log_safety(evidence, gate)

    assert 0 <= bound <= 1
    if bound < 1:
        assert shown(min(1.0, bound + 1e-7)) >= line - 1e-9
    if bound > 1e-6:
        assert shown(bound - 1e-7) <= line + 1e-9


@given(policies, st.lists(intervals, max_size=8), st.floats(1.0, 3.0))
@settings(deadline=None, max_examples=100)
def test_storing_never_adds_evidence(policy: GatePolicy, seen: list[Interval], phi: float) -> None:
    evidence = collect(policy, seen, phi=phi)
    stored = evidence.to_dict()
    read = GateEvidence.from_dict(json.loads(json.dumps(stored)))
    assert read.to_dict() == stored
    assert log_harm(evidence) - 1e-6 <= log_harm(read) <= log_harm(evidence) + 1e-12
    assert log_safety(read, policy) <= log_safety(evidence, policy) + 1e-12
    assert log_safety(read, policy) >= log_safety(evidence, policy) - 2e-6
    assert upper_bound(read, false_promotion=0.05) >= upper_bound(evidence, false_promotion=0.05) - 1e-12
    assert read.intervals == evidence.intervals


@given(policies, st.lists(intervals, min_size=1, max_size=8), st.sets(st.integers(0, 7)))
@settings(deadline=None, max_examples=100)
def test_a_restart_changes_no_evidence(policy: GatePolicy, seen: list[Interval], restarts: set[int]) -> None:
    """Stored and read back between any two intervals, the numbers stay the same up to rounding."""
    through = collect(policy, seen)
    cut = start(planned_intervals=5)
    for number, interval in enumerate(seen):
        cut = update(cut, policy, interval)
        if number in restarts:
            cut = GateEvidence.from_dict(json.loads(json.dumps(cut.to_dict())))
    assert log_harm(cut) == pytest.approx(log_harm(through), abs=1e-3)
    assert log_safety(cut, policy) == pytest.approx(log_safety(through, policy), abs=1e-3)


@given(
    st.integers(0, 100),
    st.lists(st.integers(1, 100), min_size=1, unique=True),
    st.floats(0.1, 5000.0),
    st.floats(0.0, 1.0),
    st.floats(0.1, 100.0),
)
@settings(deadline=None, max_examples=100)
def test_a_higher_weight_is_always_affordable(
    current: int, menu: list[int], load: float, bound: float, budget: float
) -> None:
    weight = next_weight(
        current=current,
        menu=menu,
        requests_per_second=load,
        interval_seconds=5.0,
        upper_bound=bound,
        error_budget=budget,
    )
    assert weight >= current
    assert weight >= min(menu)
    if weight > max(current, min(menu)):
        assert weight in menu
        assert weight / 100 * load * 5.0 * bound <= budget * (1 + 1e-9)
