"""How often pairs of answers end wrongly, and that they end, at a size for every day.

The full table is `python -m tests.bench.evidence.tables agreement disagreement`. `test_it_takes_phi` shows that these
tests can fail.
"""

import pytest

from tests.bench.evidence.pairs import FALSE_PROMOTION, FALSE_ROLLBACK, Kind, Pairs, measure
from tests.simulation.rollouts import quantile

FLOORS = ((0.0, 0.98), (0.1, 0.95))
RUNS = 20
DOUBT = 0.001
BAR = {
    Kind.INDEPENDENT: FALSE_PROMOTION,
    Kind.OPPOSED: FALSE_PROMOTION,
    Kind.REPEATS: 0.1,  # the first pairs are judged before phi is known; see docs/statistics.md
    Kind.WANDERING: FALSE_PROMOTION,
}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_disagreement_on_the_line_is_rarely_called_one_thing_or_the_other(kind: Kind) -> None:
    ends = [
        measure(Pairs(kind=kind, floor=floor, beyond=1 - target, per_second=10), RUNS, target=target)
        for floor, target in FLOORS
    ]
    differs, agrees = sum(len(one.differs) for one in ends), sum(len(one.agrees) for one in ends)
    print(f"\n{kind}: of {RUNS * len(FLOORS)}: {differs} called different, {agrees} called the same", end=" ")
    assert differs <= quantile(1 - DOUBT, of=RUNS * len(FLOORS), rate=FALSE_ROLLBACK)
    assert agrees <= quantile(1 - DOUBT, of=RUNS * len(FLOORS), rate=BAR[kind])


def test_it_takes_phi() -> None:
    repeats = Pairs(kind=Kind.REPEATS, floor=0.0, beyond=0.02, per_second=10)
    ends = measure(repeats, RUNS, target=0.98, with_phi=False)
    assert len(ends.agrees) > 0.3 * RUNS


@pytest.mark.parametrize(
    ("floor", "target", "beyond", "kind", "most_pairs"),
    [
        (0.0, 0.98, 0.3, Kind.INDEPENDENT, 1500),
        (0.0, 0.98, 0.05, Kind.INDEPENDENT, 8000),
        (0.0, 0.98, 0.3, Kind.REPEATS, 4000),
        (0.1, 0.95, 0.3, Kind.INDEPENDENT, 6000),
    ],
)
def test_a_candidate_that_differs_is_found(
    floor: float, target: float, beyond: float, kind: Kind, most_pairs: float
) -> None:
    ends = measure(Pairs(kind=kind, floor=floor, beyond=beyond, per_second=20), RUNS, target=target)
    print(f"\n{floor}, {beyond}, {kind}: {ends.told(ends.differs)}", end=" ")
    assert len(ends.differs) == RUNS
    assert not ends.agrees
    assert sorted(pairs for pairs, _ in ends.differs)[RUNS // 2] <= most_pairs


@pytest.mark.parametrize(
    ("floor", "target", "most_pairs"), [(0.0, 0.98, 2000), (0.02, 0.98, 15_000), (0.1, 0.95, 15_000)]
)
def test_the_live_version_once_more_agrees_with_itself(floor: float, target: float, most_pairs: float) -> None:
    ends = measure(Pairs(kind=Kind.INDEPENDENT, floor=floor, beyond=0.0, per_second=20), RUNS, target=target)
    print(f"\n{floor}: {ends.told(ends.agrees)}", end=" ")
    assert len(ends.agrees) == RUNS
    assert not ends.differs
    assert sorted(pairs for pairs, _ in ends.agrees)[RUNS // 2] <= most_pairs
