"""The two bets against values that were worked out by hand."""

import math

import pytest

from modelrollout.evidence import Counts, Interval, harm, safety


def pair(candidate: Counts, stable: Counts) -> Interval:
    return Interval(candidate=candidate, stable=stable)


@pytest.mark.parametrize(
    ("candidate", "stable", "factor"),
    [
        # R = 3, ratio 1, equal arms: r = 1, a = 3*2/4 = 3/2. With g = 1/2: q = 1/2, A = (1/2)/(5/4) = 2/5,
        # u = (2/5)/(6/5) = 1/3. Divisor per pair of requests (1 + 1/4)(1 - 1/6) = 25/24.
        (Counts(1, 1), Counts(1, 0), 3 / 2 * 24 / 25),
        (Counts(1, 0), Counts(1, 1), 2 / 3 * 24 / 25),
        (Counts(1, 1), Counts(1, 1), 1 * 24 / 25),
        (Counts(2, 1), Counts(2, 0), 3 / 2 * (24 / 25) ** 2),
    ],
)
def test_harm_with_a_guess(candidate: Counts, stable: Counts, factor: float) -> None:
    found = harm.log_factor(3.0, ratio=1.0, tolerate=0.0, guess=0.5, interval=pair(candidate, stable))
    assert math.exp(found) == pytest.approx(factor)


def test_harm_with_guess_zero_is_the_likelihood_ratio_of_the_split() -> None:
    # R = 2, ratio 1, arms 1 : 3, so r = 1/3; a bad request is the candidate's with odds 2/3 instead of 1/3.
    interval = pair(Counts(10, 4), Counts(30, 1))
    found = harm.log_factor(2.0, ratio=1.0, tolerate=0.0, guess=0.0, interval=interval)
    assert math.exp(found) == pytest.approx(((2 / 5) / (1 / 4)) ** 4 * (3 / 5) / (3 / 4))


def test_harm_beyond_an_absolute_limit_needs_no_stable_arm() -> None:
    # R = 5, limit 10 %: a bad request multiplies by 5, each request divides by 1 + 0.1 * 4.
    found = harm.log_factor(5.0, ratio=0.0, tolerate=0.1, guess=0.7, interval=pair(Counts(6, 2), Counts()))
    assert math.exp(found) == pytest.approx(5**2 / 1.4**6)


def test_the_guess_is_kept_inside_the_possible() -> None:
    """At the corner of the null, p_c = 1 and p_s = 1 / ratio, an honest bet is exactly fair; uncapped it only loses."""
    ratio, corner, bet = 1.25, 0.8, 3.0
    fair = sum(
        chance * math.exp(harm.log_factor(bet, ratio=ratio, tolerate=0.0, guess=1.0, interval=interval))
        for chance, interval in (
            (corner, pair(Counts(1, 1), Counts(1, 1))),
            (1 - corner, pair(Counts(1, 1), Counts(1, 0))),
        )
    )
    assert fair == pytest.approx(1.0, abs=1e-12)


def test_safety() -> None:
    # R = 1/2, ratio 1, equal arms: r = 1, a = (1/2)*2/(3/2) = 2/3, b = 4/3, slope n_c/3.
    constant, slope = safety.log_factor(0.5, ratio=1.0, interval=pair(Counts(9, 2), Counts(9, 1)))
    assert math.exp(constant) == pytest.approx((2 / 3) ** 2 * (4 / 3))
    assert slope == pytest.approx(3.0)


def test_safety_below_an_absolute_limit_needs_no_stable_arm() -> None:
    constant, slope = safety.log_factor(0.25, ratio=0.0, interval=pair(Counts(8, 1), Counts()))
    assert math.exp(constant) == pytest.approx(1 / 4)
    assert slope == pytest.approx(6.0)


def test_upper_bound_of_a_single_bet() -> None:
    # constant + slope * excess = ln 20 at the bound.
    bound = safety.upper_bound(constants=[-1.0], slopes=[100.0], false_promotion=0.05)
    assert bound == pytest.approx((math.log(20) + 1) / 100)


def test_the_stake_is_put_down_over_the_planned_intervals() -> None:
    assert [harm.invested(k, planned=5) for k in range(7)] == [0, 0.5, 0.625, 0.75, 0.875, 1, 1]
    assert [harm.invested(k, planned=1) for k in range(3)] == [0, 1, 1]
