"""Numbers of a decision as people read them."""

import pytest

from modelrollout.cli.numbers import arms, points, share, towards


@pytest.mark.parametrize(
    ("bound", "told"), [(1.0, "100"), (0.274, "27"), (0.0999, "10"), (0.034, "3.4"), (0.00123, "0.12"), (0.0, "0")]
)
def test_points(bound: float, told: str) -> None:
    assert points(bound) == told


@pytest.mark.parametrize(
    ("arm", "told"), [((800, 12), "12 of 800 (1.5 %)"), ((0, 0), "0 of 0 (0 %)"), ((3, 3), "3 of 3 (100 %)")]
)
def test_shares(arm: tuple[float, float], told: str) -> None:
    assert share({"requests": arm[0], "bad": arm[1]}) == told


@pytest.mark.parametrize(
    ("log", "bar"), [(-3.0, "░░░░░░░░"), (0.0, "░░░░░░░░"), (2.3, "████░░░░"), (4.6, "████████"), (46.0, "████████")]
)
def test_a_bar_is_full_at_the_threshold(log: float, bar: str) -> None:
    assert towards(log, 4.6, bar=True) == f"{bar} e^{log:.1f} of e^4.6"


def test_what_counts_nothing_is_told_by_its_detail() -> None:
    none = {"requests": 0, "bad": 0}
    assert arms({"candidate": none, "stable": none, "detail": "means 0.8 and 0.7"}) == ("means 0.8 and 0.7", "-")
    assert arms({"candidate": none, "stable": none}) == ("nothing yet", "-")
