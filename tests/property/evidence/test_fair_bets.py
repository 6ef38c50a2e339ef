"""No bet gains under its null: E[L] <= 1, computed exactly over all outcomes, also on the very edge of the null."""

import math

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelrollout.evidence import Counts, GatePolicy, Interval, harm, log_harm, log_safety, safety, start, update
from tests.property.evidence.exact import (
    TOLERANCE,
    Distribution,
    expectation,
    failures,
    harm_bets,
    mirrored_outcomes,
    outcomes,
    ratios,
    safety_bets,
    scores,
    shares,
    sizes,
    sums,
)

tolerances = st.just(0.0) | st.floats(min_value=0.0, max_value=0.6)
inside = st.just(1.0) | shares  # how far towards the edge of the null


@given(sizes, sizes, ratios, tolerances, shares, harm_bets, shares, inside)
@settings(deadline=None, max_examples=300)
def test_harm_of_failures(
    n_c: int, n_s: int, ratio: float, tolerate: float, guess: float, bet: float, p_s: float, edge: float
) -> None:
    p_c = edge * min(1.0, ratio * p_s + tolerate)
    mean = expectation(
        outcomes(candidate=[failures(p_c)] * n_c, stable=[failures(p_s)] * n_s),
        lambda interval: math.exp(harm.log_factor(bet, ratio=ratio, tolerate=tolerate, guess=guess, interval=interval)),
    )
    assert mean <= 1 + TOLERANCE


@given(sizes, sizes, ratios, tolerances, harm_bets, shares)
@settings(deadline=None, max_examples=100)
def test_harm_is_exactly_fair_when_the_guess_is_right(
    n_c: int, n_s: int, ratio: float, tolerate: float, bet: float, p_s: float
) -> None:
    p_c = ratio * p_s + tolerate
    assume(p_c <= 1)
    mean = expectation(
        outcomes(candidate=[failures(p_c)] * n_c, stable=[failures(p_s)] * n_s),
        lambda interval: math.exp(harm.log_factor(bet, ratio=ratio, tolerate=tolerate, guess=p_s, interval=interval)),
    )
    assert math.isclose(mean, 1.0, rel_tol=1e-7)


@given(sizes, sizes, ratios, shares, safety_bets, shares, st.just(0.0) | shares)
@settings(deadline=None, max_examples=300)
def test_safety_of_failures(
    n_c: int, n_s: int, ratio: float, excess: float, bet: float, p_s: float, beyond: float
) -> None:
    least = ratio * p_s + excess
    assume(least <= 1)
    p_c = least + beyond * (1 - least)
    assert safety_mean(bet, ratio, excess, candidate=[failures(p_c)] * n_c, stable=[failures(p_s)] * n_s) <= (
        1 + TOLERANCE
    )


@given(st.lists(shares, min_size=1, max_size=4), st.lists(shares, min_size=1, max_size=4), ratios, shares, harm_bets)
@settings(deadline=None, max_examples=200)
def test_harm_with_another_rate_for_each_request(
    candidate: list[float], stable: list[float], ratio: float, guess: float, bet: float
) -> None:
    """The null speaks of the mean rates; here it holds exactly on its edge."""
    tolerate = max(0.0, sum(candidate) / len(candidate) - ratio * sum(stable) / len(stable))
    mean = expectation(
        outcomes(candidate=[failures(p) for p in candidate], stable=[failures(p) for p in stable]),
        lambda interval: math.exp(harm.log_factor(bet, ratio=ratio, tolerate=tolerate, guess=guess, interval=interval)),
    )
    assert mean <= 1 + TOLERANCE


@given(st.lists(shares, min_size=1, max_size=4), st.lists(shares, min_size=1, max_size=4), ratios, safety_bets)
@settings(deadline=None, max_examples=200)
def test_safety_with_another_rate_for_each_request(
    candidate: list[float], stable: list[float], ratio: float, bet: float
) -> None:
    excess = sum(candidate) / len(candidate) - ratio * sum(stable) / len(stable)
    assume(excess >= 0)
    mean = safety_mean(
        bet, ratio, excess, candidate=[failures(p) for p in candidate], stable=[failures(p) for p in stable]
    )
    assert mean <= 1 + TOLERANCE


@given(sizes, sizes, ratios, tolerances, shares, harm_bets, shares, shares)
@settings(deadline=None, max_examples=100)
def test_harm_of_scores(
    n_c: int, n_s: int, ratio: float, tolerate: float, guess: float, bet: float, p_s: float, middle: float
) -> None:
    p_c = min(1.0, ratio * p_s + tolerate)
    mean = expectation(
        outcomes(candidate=[scores(p_c, middle=middle)] * n_c, stable=[scores(p_s, middle=middle)] * n_s),
        lambda interval: math.exp(harm.log_factor(bet, ratio=ratio, tolerate=tolerate, guess=guess, interval=interval)),
    )
    assert mean <= 1 + TOLERANCE


@given(sizes, sizes, ratios, shares, safety_bets, shares, shares)
@settings(deadline=None, max_examples=100)
def test_safety_of_scores(
    n_c: int, n_s: int, ratio: float, excess: float, bet: float, p_s: float, middle: float
) -> None:
    p_c = ratio * p_s + excess
    assume(p_c <= 1)
    mean = safety_mean(
        bet,
        ratio,
        excess,
        candidate=[scores(p_c, middle=middle)] * n_c,
        stable=[scores(p_s, middle=middle)] * n_s,
    )
    assert mean <= 1 + TOLERANCE


@given(sizes, ratios, tolerances, shares, harm_bets, safety_bets, shares, shares)
@settings(deadline=None, max_examples=200)
def test_mirrored_requests_that_fail_together(
    pairs: int, ratio: float, margin: float, guess: float, harm_bet: float, safety_bet: float, p_s: float, tie: float
) -> None:
    """Positive dependence from none (tie = 0) to as much as the rates allow (tie = 1), on the edge of both nulls."""
    p_c = ratio * p_s + margin
    assume(p_c <= 1)
    both = (1 - tie) * p_c * p_s + tie * min(p_c, p_s)
    cases = mirrored_outcomes(pairs=pairs, both=both, candidate_only=p_c - both, stable_only=p_s - both)

    def safety_factor(interval: Interval) -> float:
        constant, slope = safety.log_factor(safety_bet, ratio=ratio, interval=interval)
        return math.exp(constant + slope * margin)

    assert expectation(((chance, interval) for interval, chance in cases.items()), safety_factor) <= 1 + TOLERANCE
    assert (
        expectation(
            ((chance, interval) for interval, chance in cases.items()),
            lambda interval: math.exp(
                harm.log_factor(harm_bet, ratio=ratio, tolerate=margin, guess=guess, interval=interval)
            ),
        )
        <= 1 + TOLERANCE
    )


@given(
    st.lists(st.tuples(sizes, sizes, shares, shares), max_size=4),
    st.integers(1, 6),
    st.just(1.0) | st.floats(1.0, 4.0),
    st.tuples(sizes, sizes, ratios, tolerances, shares),
)
@settings(deadline=None, max_examples=100)
def test_all_evidence_of_a_gate_is_a_fair_game_after_any_past(
    past: list[tuple[int, int, float, float]],
    planned: int,
    phi: float,
    coming: tuple[int, int, float, float, float],
) -> None:
    """Whatever was seen, E[E_harm | past] <= E_harm, and likewise E_safe: mixture, late stakes, guess and all."""
    n_c, n_s, ratio, margin, p_s = coming
    p_c = ratio * p_s + margin
    assume(p_c <= 1)
    harmless = GatePolicy(name="g", ratio=ratio, tolerate=margin, promote_within=1.0)
    harmful = GatePolicy(name="g", ratio=ratio, tolerate=0.0, promote_within=max(margin, 1e-12))
    evidence = start(planned_intervals=planned, phi=phi)
    for total_c, total_s, bad_c, bad_s in past:
        interval = Interval(candidate=Counts(total_c, bad_c * total_c), stable=Counts(total_s, bad_s * total_s))
        evidence = update(evidence, harmless, interval)

    candidate, stable = [failures(p_c)] * n_c, [failures(p_s)] * n_s
    before = log_harm(evidence)
    growth = expectation(
        outcomes(candidate=candidate, stable=stable),
        lambda interval: math.exp(log_harm(update(evidence, harmless, interval)) - before),
    )
    assert growth <= 1 + TOLERANCE
    before = log_safety(evidence, harmful)
    growth = expectation(
        outcomes(candidate=candidate, stable=stable),
        lambda interval: math.exp(log_safety(update(evidence, harmful, interval), harmful) - before),
    )
    assert growth <= 1 + TOLERANCE


def safety_mean(
    bet: float, ratio: float, excess: float, *, candidate: list[Distribution], stable: list[Distribution]
) -> float:
    def factor(interval: Interval) -> float:
        constant, slope = safety.log_factor(bet, ratio=ratio, interval=interval)
        return math.exp(constant + slope * excess)

    return expectation(outcomes(candidate=candidate, stable=stable), factor)


def test_the_enumeration_itself_is_complete() -> None:
    """Chances sum to one and give the right means, for unequal requests and for pairs."""
    assert sums([failures(0.25), failures(0.5)]) == {0.0: 0.375, 1.0: 0.5, 2.0: 0.125}
    cases = mirrored_outcomes(pairs=3, both=0.1, candidate_only=0.2, stable_only=0.3)
    assert math.isclose(sum(cases.values()), 1.0)
    assert math.isclose(sum(chance * interval.candidate.bad for interval, chance in cases.items()), 3 * 0.3)
    assert math.isclose(sum(chance * interval.stable.bad for interval, chance in cases.items()), 3 * 0.4)
