"""A gauge: the bet is fair for any symmetric noise, and blocks make it so for noise that remembers."""

import json
import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.evidence import ErrorRates, Levels, Verdict, judge, mean
from modelrollout.evidence.mean import MeanEvidence, MeanPolicy
from tests.property.evidence.exact import TOLERANCE

POLICY = MeanPolicy(name="g", tolerate=1.0, promote_within=3.0)
RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)
READINGS_SECONDS = 30.0
BLOCK_SECONDS = 180.0

deviations = st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 10)), min_size=1, max_size=5)


@given(deviations, st.floats(0, 1e3), st.floats(1e-3, 1e3), st.sampled_from(mean.BETS))
@settings(deadline=None, max_examples=300)
def test_no_bet_gains_while_the_centre_is_within_the_margin(
    noise: list[tuple[float, int]], below: float, scale: float, bet: float
) -> None:
    """Exactly: each deviation comes with its mirror image, and the centre lies `below` the edge of the null."""
    weight = sum(times for _, times in noise)
    expectation = sum(
        times / (2 * weight) * math.exp(mean.log_factor(bet, (sign * size - below) / scale))
        for size, times in noise
        for sign in (1, -1)
    )
    assert expectation <= 1 + TOLERANCE
    if below == 0:
        assert expectation == pytest.approx(1.0, abs=1e-9)


def readings(rng: random.Random, *, shift: float, memory: float, seconds: float, late: float = 0) -> Iterator[Levels]:
    """Both arms with AR(1) noise of standard deviation 1 and this coefficient from one reading to the next."""
    innovation = math.sqrt(1 - memory**2)
    candidate, stable = rng.gauss(0, 1), rng.gauss(0, 1)
    for step in range(int(seconds / READINGS_SECONDS)):
        candidate = memory * candidate + innovation * rng.gauss(0, 1)
        stable = memory * stable + innovation * rng.gauss(0, 1)
        at = step * READINGS_SECONDS
        yield Levels(candidate=10 + candidate + (shift if at >= late else 0), stable=10 + stable, at=at)


def verdict_of(seen: Iterator[Levels], policy: MeanPolicy) -> Verdict:
    """The first one that ends the comparison."""
    evidence = mean.start(policy, planned_seconds=7200)
    verdict = Verdict.Insufficient
    for levels in seen:
        evidence = mean.update(evidence, policy, levels)
        verdict = judge([(policy, evidence)], rates=RATES).verdict
        if verdict in (Verdict.Fail, Verdict.Pass):
            break
    return verdict


def share(
    verdict: Verdict, *, shift: float, memory: float, runs: int, policy: MeanPolicy, seconds: float = 7200
) -> float:
    rng = random.Random(11)
    verdicts = [verdict_of(readings(rng, shift=shift, memory=memory, seconds=seconds), policy) for _ in range(runs)]
    return verdicts.count(verdict) / runs


EXACT = MeanPolicy(name="g", tolerate=0.0, promote_within=1e-9)
"""No tolerance at all, so that two equal arms lie on the edge of the null."""


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_equal_arms_with_noise_that_remembers_are_rarely_rolled_back(memory: float) -> None:
    """1 % is promised; of 300 runs at 1 % more than 8 would be a chance of one in 200."""
    assert share(Verdict.Fail, shift=0.0, memory=memory, runs=300, policy=EXACT) <= 8 / 300


def test_single_readings_that_remember_would_break_the_promise() -> None:
    """Why there are blocks: the same noise, judged reading by reading."""
    hasty = MeanPolicy(name="g", tolerate=0.0, promote_within=1e-9, block_seconds=READINGS_SECONDS)
    assert share(Verdict.Fail, shift=0.0, memory=0.5, runs=150, policy=hasty) > 0.05


def test_a_gauge_beyond_the_tolerance_is_rolled_back_and_a_good_one_promoted() -> None:
    assert share(Verdict.Fail, shift=4.0, memory=0.5, runs=40, policy=POLICY) == 1.0
    assert share(Verdict.Pass, shift=0.0, memory=0.5, runs=40, policy=POLICY) >= 0.9


def test_a_gauge_beyond_the_margin_is_hardly_ever_promoted() -> None:
    assert share(Verdict.Pass, shift=3.0, memory=0.5, runs=200, policy=POLICY) <= 0.05


def test_a_lower_gauge_can_be_the_worse() -> None:
    policy = MeanPolicy(name="g", tolerate=1.0, promote_within=3.0, lower_is_worse=True)
    assert share(Verdict.Fail, shift=-4.0, memory=0.5, runs=20, policy=policy) == 1.0
    assert share(Verdict.Fail, shift=4.0, memory=0.5, runs=20, policy=policy) == 0.0


levels = st.builds(
    Levels,
    candidate=st.floats(-1e3, 1e3),
    stable=st.floats(-1e3, 1e3),
    at=st.floats(0, 10 * BLOCK_SECONDS),
)


@given(st.lists(levels, max_size=30), st.sets(st.integers(0, 29)))
@settings(deadline=None, max_examples=60)
def test_a_restart_between_any_two_readings_changes_no_evidence(seen: list[Levels], restarts: set[int]) -> None:
    seen = sorted(seen, key=lambda one: one.at)
    through = cut = mean.start(POLICY, planned_seconds=3600)
    for number, one in enumerate(seen):
        through, cut = mean.update(through, POLICY, one), mean.update(cut, POLICY, one)
        if number in restarts:
            cut = MeanEvidence.from_dict(json.loads(json.dumps(cut.to_dict())))
    assert mean.log_harm(cut) == pytest.approx(mean.log_harm(through), abs=1e-3)
    assert mean.log_safety(cut) == pytest.approx(mean.log_safety(through), abs=1e-3)
    assert (cut.blocks, cut.first, cut.open) == (through.blocks, through.first, through.open)


def test_what_is_no_number_and_what_is_late_changes_nothing() -> None:
    evidence = mean.update(mean.start(POLICY, planned_seconds=3600), POLICY, Levels(1.0, 1.0, at=400.0))
    for odd in (Levels(math.nan, 1.0, at=410.0), Levels(1.0, math.inf, at=410.0), Levels(9.0, 1.0, at=100.0)):
        assert mean.update(evidence, POLICY, odd) == evidence


def test_a_gauge_that_stands_still_is_no_reason_for_certainty() -> None:
    """Three equal blocks say nothing about noise. The scale is then a part of the margins, and six bets are too few."""
    evidence = mean.start(POLICY, planned_seconds=7200)
    for block in range(10):
        evidence = mean.update(evidence, POLICY, Levels(5.0, 1.0, at=block * BLOCK_SECONDS))
    assert evidence.closed == 9
    assert judge([(POLICY, evidence)], rates=RATES).verdict is Verdict.Insufficient
