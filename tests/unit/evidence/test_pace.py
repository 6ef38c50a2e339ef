"""The next weight."""

import math

import pytest

from modelrollout.evidence import EvidenceError, next_weight

MENU = (1, 2, 5, 10, 25, 50, 100)


@pytest.mark.parametrize(
    ("current", "load", "bound", "expected"),
    [
        pytest.param(0, 100.0, 1.0, 1, id="nothing known: 1 % costs 30"),
        pytest.param(0, 1000.0, 1.0, 1, id="a busy service still starts at the smallest"),
        pytest.param(0, 10.0, 1.0, 10, id="a quiet service may start higher"),
        pytest.param(1, 100.0, 0.2, 5, id="5 % at 0.2 costs 30"),
        pytest.param(1, 100.0, 0.2001, 2, id="5 % at a little more costs too much"),
        pytest.param(25, 100.0, 1.0, 25, id="never down"),
        pytest.param(7, 100.0, 1.0, 7, id="never down, not even to the menu"),
        pytest.param(25, 100.0, 0.0, 50, id="safe: as much as leaves stable requests to compare with"),
        pytest.param(100, 100.0, 0.5, 100, id="full stays full"),
        pytest.param(5, 0.0, 1.0, 5, id="no traffic: nothing learnt"),
        pytest.param(0, math.nan, 1.0, 1, id="unknown traffic"),
    ],
)
def test_next_weight(current: int, load: float, bound: float, expected: int) -> None:
    found = next_weight(
        current=current,
        menu=MENU,
        requests_per_second=load,
        interval_seconds=30,
        upper_bound=bound,
        error_budget=30,
    )
    assert found == expected


def test_an_empty_menu_is_refused() -> None:
    with pytest.raises(EvidenceError, match="menu"):
        next_weight(current=1, menu=[], requests_per_second=1, interval_seconds=1, upper_bound=1.0, error_budget=1)
