"""When a spread has drifted, and when nobody can tell."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.data.drift import Drift, chance, jensen_shannon, judge, normal_quantile, psi

EVEN = [0.1] * 10
SHIFTED = [0.2, 0.15, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05]


def test_psi_is_what_the_formula_says() -> None:
    assert psi([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.25 * math.log(2) - 0.25 * math.log(0.5 / 0.75))
    assert psi([1.0, 0.0], [0.5, 0.5]) == pytest.approx(0.5 * math.log(2) + (1e-4 - 0.5) * math.log(1e-4 / 0.5))


@pytest.mark.parametrize(
    ("requests", "simulated"), [(100, 0.24), (200, 0.12), (500, 0.042), (1000, 0.022), (5000, 0.004)]
)
def test_what_chance_gives_is_what_simulations_gave(requests: int, simulated: float) -> None:
    assert chance(bins=10, requests=requests, reference_rows=1_000_000) == pytest.approx(simulated, rel=0.15)


@pytest.mark.parametrize(("alpha", "exact"), [(0.05, 1.6449), (0.01, 2.3263), (0.001, 3.0902), (0.01 / 30, 3.4036)])
def test_the_normal_quantile_is_right_to_three_thousandths(alpha: float, exact: float) -> None:
    assert normal_quantile(alpha) == pytest.approx(exact, abs=0.003)


@pytest.mark.parametrize(
    ("requests", "shares", "verdict"),
    [
        (0, EVEN, Drift.INSUFFICIENT),
        (50, EVEN, Drift.INSUFFICIENT),
        (50, SHIFTED, Drift.INSUFFICIENT),
        (5000, EVEN, Drift.NONE),
        (5000, SHIFTED, Drift.NONE),
        (5000, [0.5, *[0.5 / 9] * 9], Drift.DRIFT),
        (60, [1.0, *[0.0] * 9], Drift.DRIFT),
    ],
)
def test_a_verdict_needs_a_difference_that_matters_and_that_chance_does_not_give(
    requests: float, shares: list[float], verdict: Drift
) -> None:
    counts = [share * requests * 3 for share in shares]

    assert judge(counts, EVEN, requests=requests, reference_rows=10_000).verdict is verdict


def test_rows_of_one_request_are_one_witness() -> None:
    counts = [0.3e5, *[0.7e5 / 9] * 9]

    assert judge(counts, EVEN, requests=40, reference_rows=10_000).verdict is Drift.INSUFFICIENT
    assert judge(counts, EVEN, requests=1e5, reference_rows=10_000).verdict is Drift.DRIFT


def test_the_more_features_are_judged_the_more_each_has_to_show() -> None:
    one, many = (
        judge([100.0] * 10, EVEN, requests=1000, reference_rows=1000, features=features) for features in (1, 30)
    )

    assert many.chance > one.chance


SHARES = st.lists(st.floats(0, 1), min_size=4, max_size=4).map(
    lambda parts: [part / sum(parts) for part in parts] if sum(parts) > 0 else [0.25] * 4
)


@given(SHARES, SHARES)
def test_both_measures_are_symmetric_and_nothing_only_where_nothing_differs(p: list[float], q: list[float]) -> None:
    assert psi(p, q) == pytest.approx(psi(q, p), abs=1e-9)
    assert psi(p, q) >= 0
    assert 0 <= jensen_shannon(p, q) <= math.sqrt(math.log(2)) + 1e-9
    assert psi(p, p) == jensen_shannon(p, p) == 0
