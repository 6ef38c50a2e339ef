"""The false rollback rate under traffic whose requests are not independent, at a size for every day.

The full grid is `python -m tests.bench.evidence.tables`. Here: fewer cells and runs, fixed seeds, and the same bar of
2 % that the grid has, plus what chance may add. `test_it_takes_phi` shows that these tests can fail.
"""

import itertools

import pytest

from tests.bench.evidence.measure import measure
from tests.bench.evidence.rules import OUR_RULE, OURS, RULES
from tests.bench.evidence.traffic import Kind, Traffic
from tests.simulation.rollouts import quantile

CELLS = tuple(itertools.product((0.0001, 0.01, 0.05), (10, 1000)))
RUNS = 40
BAR = 0.02
DOUBT = 0.001


@pytest.mark.parametrize("kind", list(Kind))
def test_harmless_candidates_stay_under_any_traffic(kind: Kind) -> None:
    wrong = {
        (base, load): len(
            measure(Traffic(kind=kind, base=base, requests_per_second=load), RUNS, OUR_RULE)[OURS].seconds
        )
        for base, load in CELLS
    }
    print(f"\n{kind}: rolled back {sum(wrong.values())} of {RUNS * len(CELLS)}", end=" ")
    assert sum(wrong.values()) <= quantile(1 - DOUBT, of=RUNS * len(CELLS), rate=BAR / 2)
    assert max(wrong.values()) <= quantile(1 - DOUBT / len(CELLS), of=RUNS, rate=BAR)


def test_it_takes_phi() -> None:
    rule = {"phi 1": RULES["the same, phi 1"]}
    bursts = measure(Traffic(kind=Kind.BURSTS, base=0.01, requests_per_second=100), 20, rule)["phi 1"]
    noise = measure(Traffic(kind=Kind.POD_NOISE, base=0.05, requests_per_second=1000), 20, rule)["phi 1"]
    assert bursts.percent > 50
    assert noise.percent > 50


@pytest.mark.parametrize(
    ("kind", "base", "load", "effect", "least_percent", "most_seconds"),
    [
        (Kind.INDEPENDENT, 0.01, 100, 2.0, 99, 300),
        (Kind.INDEPENDENT, 0.05, 100, 1.5, 99, 300),
        (Kind.BURSTS, 0.01, 100, 2.0, 65, 2100),
        (Kind.POD_NOISE, 0.01, 100, 2.0, 90, 900),
    ],
)
def test_harmful_candidates_are_found_with_the_measured_phi(
    kind: Kind, base: float, load: float, effect: float, least_percent: float, most_seconds: float
) -> None:
    found = measure(Traffic(kind=kind, base=base, requests_per_second=load, effect=effect), RUNS, OUR_RULE)[OURS]
    print(f"\n{kind}, x{effect}: {found.percent:.0f} %, {found.delay:.0f} s, {found.cost:.0f} excess", end=" ")
    assert found.percent >= least_percent
    assert found.delay <= most_seconds
