"""`python -m tests.bench.evidence.tables`: measure again all that docs/statistics.md says about error rates and delay.

Prints Markdown; with `--write` it goes between the markers of the page as well. The full grid takes about half an hour
on one core, `--runs 50` some minutes.
"""

import argparse
import itertools
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.bench.evidence import latency, pairs
from tests.bench.evidence.measure import Outcomes, measure
from tests.bench.evidence.rules import OUR_RULE, OURS, RULES
from tests.bench.evidence.traffic import INTERVAL_SECONDS, INTERVALS, Kind, Numbers, Traffic

BASES = (0.0001, 0.001, 0.01, 0.05)
LOADS = (1, 10, 100, 1000)
CELLS = tuple(itertools.product(BASES, LOADS))
EDGE = 1.1
EDGE_BASES = (0.001, 0.01, 0.05, 0.45)

_LEAK: Numbers = np.linspace(1, 3, INTERVALS)
_LATE: Numbers = np.where(np.arange(INTERVALS) < INTERVALS / 2, 1.0, 3.0)
_ONSET = {"x3 from minute 30": INTERVALS // 2 * INTERVAL_SECONDS}  # delays are counted from here
CHANGES: tuple[tuple[str, Kind, float, float, Numbers | float], ...] = (
    ("x1.5", Kind.INDEPENDENT, 0.001, 100, 1.5),
    ("x1.5", Kind.INDEPENDENT, 0.01, 100, 1.5),
    ("x1.5", Kind.INDEPENDENT, 0.05, 100, 1.5),
    ("x2", Kind.INDEPENDENT, 0.001, 100, 2.0),
    ("x2", Kind.INDEPENDENT, 0.001, 1000, 2.0),
    ("x2", Kind.INDEPENDENT, 0.01, 100, 2.0),
    ("x2, bursts", Kind.BURSTS, 0.01, 100, 2.0),
    ("x5", Kind.INDEPENDENT, 0.001, 10, 5.0),
    ("x5", Kind.INDEPENDENT, 0.001, 100, 5.0),
    ("x5", Kind.INDEPENDENT, 0.01, 100, 5.0),
    ("leak, 1 to 3 times", Kind.INDEPENDENT, 0.01, 100, _LEAK),
    ("x3 from minute 30", Kind.INDEPENDENT, 0.01, 100, _LATE),
)
LATENCY_LOADS = (1, 10, 100)
LATENCY_PER_HISTORY = 20
SLOWER = (1.0, 1.1, 1.25, 1.5)
FLOORS = ((0.0, 0.98), (0.02, 0.98), (0.1, 0.95))  # the noise floor, and the agreement that is wanted
PAIR_LOADS = (2, 20)
DIFFERENCES = (0.0, 0.005, 0.05, 0.1, 0.3)
_MANY_FALSE = 5.0  # percent; a rule that rolls back more good releases than that has no power worth the name


def grid(count: int) -> Iterator[str]:
    """False rollbacks of a release that is as good as the old one."""
    found: dict[Kind, list[dict[str, Outcomes]]] = {}
    for kind in Kind:
        found[kind] = []
        for base, load in CELLS:
            found[kind].append(measure(Traffic(kind=kind, base=base, requests_per_second=load), count))
            _progress(f"{kind}, {base:.2%}, {load} rps: {found[kind][-1][OURS].percent:.1f} % false")
    yield f"Rolled back although nothing changed, %, median / worst of 16 cells with {count} rollouts each:\n"
    yield _row("traffic", *RULES)
    yield _line(len(RULES) + 1)
    for kind, cells in found.items():
        percents = ([cell[rule].percent for cell in cells] for rule in RULES)
        yield _row(kind, *(f"{statistics.median(values):.1f} / {max(values):.1f}" for values in percents))
    yield "\nmodelrollout alone, cell by cell:\n"
    yield _row("base rate, requests/s", *found)
    yield _line(len(found) + 1)
    for number, (base, load) in enumerate(CELLS):
        yield _row(f"{base:.2%}, {load}", *(f"{cells[number][OURS].percent:.1f}" for cells in found.values()))


def edge(count: int) -> Iterator[str]:
    """False rollbacks of a release that is exactly as bad as tolerated."""
    yield f"Rolled back although exactly on the tolerance ({EDGE} times), %, {count} rollouts a cell:\n"
    yield _row("base rate, requests/s", *Kind)
    yield _line(len(Kind) + 1)
    for base, load in itertools.product(EDGE_BASES, LOADS):
        cells = []
        for kind in Kind:
            truth = Traffic(kind=kind, base=base, requests_per_second=load, effect=EDGE)
            cells.append(f"{measure(truth, count, OUR_RULE)[OURS].percent:.1f}")
        _progress(f"on the edge, {base:.1%}, {load} rps: {', '.join(cells)}")
        yield _row(f"{base:.1%}, {load}", *cells)


def power(count: int) -> Iterator[str]:
    """How many bad releases are found, how soon, and how many bad answers that costs."""
    rules = [name for name in RULES if name != "the same, phi 1"]
    chosen = {name: RULES[name] for name in rules}
    yield (
        "Bad releases: rolled back, % / median delay, s / median excess errors; in brackets the false rollbacks of the "
        f"same rule on the same traffic without a change, where they are above {_MANY_FALSE:g} %. "
        f"{count} rollouts a cell:\n"
    )
    yield _row("change", "base, requests/s", *rules)
    yield _line(len(rules) + 2)
    for name, kind, base, load, effect in CHANGES:
        bad = measure(Traffic(kind=kind, base=base, requests_per_second=load, effect=effect), count, chosen)
        good = measure(Traffic(kind=kind, base=base, requests_per_second=load), count, chosen)
        cells = [_found(bad[rule], good[rule], onset=_ONSET.get(name, 0)) for rule in rules]
        _progress(f"{name}, {base:.1%}, {load} rps: {cells[0]}")
        yield _row(name, f"{base:.1%}, {load:g}", *cells)


def slow(count: int) -> Iterator[str]:
    """The same for latency, judged at every bound of a histogram."""
    yield f"Latency (tolerance 2 points at every bucket bound), rolled back, % / median delay, s; {count} rollouts:\n"
    yield _row("requests/s", *(f"{slower - 1:+.0%}" if slower > 1 else "no change" for slower in SLOWER))
    yield _line(len(SLOWER) + 1)
    for load in LATENCY_LOADS:
        cells = []
        for slower in SLOWER:
            rng = np.random.default_rng([load, round(100 * slower)])
            seconds: list[int] = []
            for number in range(count):
                if number % LATENCY_PER_HISTORY == 0:
                    known = latency.history(rng, load)
                ended = latency.first_rollback(rng, known, requests_per_second=load, slower=slower)
                if ended is not None:
                    seconds.append(ended * INTERVAL_SECONDS)
            share = f"{100 * len(seconds) / count:.0f}"
            cells.append(f"{share} / {statistics.median(seconds):.0f}" if seconds else share)
        _progress(f"latency, {load} rps: {', '.join(cells)}")
        yield _row(f"{load}", *cells)


def pairs_on_the_line(count: int) -> Iterator[str]:
    """Candidates whose disagreement beyond the noise floor is exactly what is accepted: either end is wrong."""
    yield (
        f"Disagreement exactly on the line, {count} rollouts a cell: called a disagreement, % (stated: 1) / called "
        "agreement, % (stated: 5):\n"
    )
    yield _row("noise floor, target, pairs/s", *pairs.Kind)
    yield _line(len(pairs.Kind) + 1)
    for (floor, target), load in itertools.product(FLOORS, PAIR_LOADS):
        cells = []
        for kind in pairs.Kind:
            truth = pairs.Pairs(kind=kind, floor=floor, beyond=1 - target, per_second=load)
            ends = pairs.measure(truth, count, target=target)
            cells.append(f"{100 * len(ends.differs) / count:.1f} / {100 * len(ends.agrees) / count:.1f}")
        _progress(f"pairs on the line, {floor:.0%}, {load}: {', '.join(cells)}")
        yield _row(f"{floor:.0%}, {target}, {load}", *cells)


def pairs_beside_the_line(count: int) -> Iterator[str]:
    """How soon a candidate that differs is found, and one that does not is let through."""
    yield (
        f"Beyond the noise floor by so much: ended rightly, % / median pairs / median delay, s; 20 pairs a second, "
        f"{count} rollouts a cell:\n"
    )
    kinds = (pairs.Kind.INDEPENDENT, pairs.Kind.REPEATS)
    columns = [(difference, kind) for kind in kinds for difference in DIFFERENCES]
    yield _row("noise floor, target", *(f"{difference:.1%}, {kind}" for difference, kind in columns))
    yield _line(len(columns) + 1)
    for floor, target in FLOORS:
        cells = []
        for difference, kind in columns:
            if math.isclose(difference, 1 - target):
                cells.append("on the line")
                continue
            truth = pairs.Pairs(kind=kind, floor=floor, beyond=difference, per_second=20)
            ends = pairs.measure(truth, count, target=target)
            cells.append(ends.told(ends.differs if difference > 1 - target else ends.agrees))
        _progress(f"pairs beside the line, {floor:.0%}: {', '.join(cells)}")
        yield _row(f"{floor:.0%}, {target}", *cells)


def _found(bad: Outcomes, good: Outcomes, *, onset: int) -> str:
    numbers = f"{bad.percent:.0f} / {bad.delay - onset:.0f} / {bad.cost:.0f}" if bad.seconds else "0"
    return f"{numbers} ({good.percent:.0f})" if good.percent > _MANY_FALSE else numbers


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _line(columns: int) -> str:
    return "|---" * columns + "|"


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


TABLES: dict[str, tuple[Callable[[int], Iterator[str]], int]] = {
    "grid": (grid, 1000),
    "edge": (edge, 500),
    "power": (power, 400),
    "latency": (slow, 300),
    "agreement": (pairs_on_the_line, 200),
    "disagreement": (pairs_beside_the_line, 100),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all when left out")
    parser.add_argument("--runs", type=int, help="rollouts a cell; 1000 to 100 when left out")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the markers of this page")
    arguments = parser.parse_args()
    for name in arguments.tables or TABLES:
        make, usual = TABLES[name]
        text = "\n".join(make(arguments.runs or usual))
        print(text, end="\n\n", flush=True)
        if arguments.write:
            _write(arguments.write, name, text)


def _write(page: Path, name: str, text: str) -> None:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page} has no place for {name}: it needs {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    main()
