"""The bets on pairs of answers are fair, whatever the noise floor and however a pair hangs together with its noise."""

import math

from hypothesis import given
from hypothesis import strategies as st

from modelrollout.evidence import Counts, Interval, agreement, harm, safety

RATES = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
BEYOND = st.floats(0.001, 0.5)
NUMBERS = st.integers(1, 400)
DEPENDENCE = st.floats(0, 1)
"""0: the noise pair disagrees where the pair agrees, as far as it can; 1: with it, as far as it can."""


def both_disagree(pair: float, noise: float, dependence: float) -> float:
    least, most = max(0.0, pair + noise - 1), min(pair, noise)
    return least + dependence * (most - least)


def log_expectation(
    one: float, other: float, *, pairs: int, noise: int, rate: float, floor: float, dependence: float
) -> float:
    """ln E[one^D other^N] over an interval in which as many requests as possible have both."""
    together = both_disagree(rate, floor, dependence)
    both = 1 - rate - floor + together + one * (rate - together) + other * (floor - together) + one * other * together
    shared = min(pairs, noise)
    return (
        shared * math.log(both)
        + (pairs - shared) * math.log(1 + rate * (one - 1))
        + (noise - shared) * math.log(1 + floor * (other - 1))
    )


@given(
    bet=st.sampled_from(harm.BETS),
    beyond=BEYOND,
    guess=RATES,
    floor=RATES,
    pairs=NUMBERS,
    noise=NUMBERS,
    dependence=DEPENDENCE,
)
def test_a_bet_on_disagreement_is_fair_on_the_line(
    bet: float, beyond: float, guess: float, floor: float, pairs: int, noise: int, dependence: float
) -> None:
    def log_factor(disagreeing: float, disagreeing_noise: float) -> float:
        interval = Interval(candidate=Counts(pairs, disagreeing), stable=Counts(noise, disagreeing_noise))
        return agreement.log_factor(bet, beyond=beyond, guess=guess, interval=interval)

    nothing = log_factor(0, 0)
    expected = nothing + log_expectation(
        math.exp(log_factor(1, 0) - nothing),
        math.exp(log_factor(0, 1) - nothing),
        pairs=pairs,
        noise=noise,
        rate=min(1.0, floor + beyond),
        floor=floor,
        dependence=dependence,
    )
    assert expected <= 1e-9 * (pairs + noise)


@given(
    bet=st.sampled_from(safety.BETS),
    beyond=BEYOND,
    floor=RATES,
    pairs=NUMBERS,
    noise=NUMBERS,
    dependence=DEPENDENCE,
)
def test_a_bet_on_agreement_is_fair_on_the_line(
    bet: float, beyond: float, floor: float, pairs: int, noise: int, dependence: float
) -> None:
    floor = min(floor, 1 - beyond)

    def log_factor(disagreeing: float, disagreeing_noise: float) -> float:
        interval = Interval(candidate=Counts(pairs, disagreeing), stable=Counts(noise, disagreeing_noise))
        constant, slope = safety.log_factor(bet, ratio=1.0, interval=interval)
        return constant + slope * beyond

    nothing = log_factor(0, 0)
    expected = nothing + log_expectation(
        math.exp(log_factor(1, 0) - nothing),
        math.exp(log_factor(0, 1) - nothing),
        pairs=pairs,
        noise=noise,
        rate=floor + beyond,
        floor=floor,
        dependence=dependence,
    )
    assert expected <= 1e-9 * (pairs + noise)
