"""Exact expectations over small samples, by going through every outcome."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from hypothesis import strategies as st

from modelrollout.evidence import Counts, Interval

Distribution = Mapping[float, float]  # value of one request in [0, 1] -> probability

TOLERANCE = 1e-9

shares = st.floats(min_value=0.0, max_value=1.0, allow_subnormal=False)
sizes = st.integers(min_value=1, max_value=5)
ratios = st.just(0.0) | st.floats(min_value=0.05, max_value=4.0)
harm_bets = st.floats(min_value=1.01, max_value=50.0)
safety_bets = st.floats(min_value=0.01, max_value=0.99)


def failures(rate: float) -> Distribution:
    """One request that fails with this chance."""
    return {0.0: 1 - rate, 1.0: rate}


def scores(mean: float, *, middle: float) -> Distribution:
    """One request whose badness may also lie in between, with this mean."""
    if mean <= middle:
        return {0.0: 1 - mean / middle, middle: mean / middle} if middle else {0.0: 1.0}
    top = (mean - middle) / (1 - middle)
    return {middle: 1 - top, 1.0: top}


def sums(requests: Sequence[Distribution]) -> dict[float, float]:
    """The distribution of the sum of independent requests."""
    total = {0.0: 1.0}
    for request in requests:
        grown: dict[float, float] = {}
        for value, chance in total.items():
            for more, likely in request.items():
                grown[value + more] = grown.get(value + more, 0.0) + chance * likely
        total = grown
    return total


def outcomes(*, candidate: Sequence[Distribution], stable: Sequence[Distribution]) -> Iterator[tuple[float, Interval]]:
    """Every interval that two independent arms can give, with its probability."""
    stable_sums = sums(stable)
    for bad, chance in sums(candidate).items():
        for stable_bad, likely in stable_sums.items():
            yield (
                chance * likely,
                Interval(
                    candidate=Counts(total=len(candidate), bad=bad), stable=Counts(total=len(stable), bad=stable_bad)
                ),
            )


def mirrored_outcomes(*, pairs: int, both: float, candidate_only: float, stable_only: float) -> dict[Interval, float]:
    """Every interval of mirrored requests, each of which fails in both arms, in one, or in none."""
    found = {Interval(candidate=Counts(), stable=Counts()): 1.0}
    steps = [
        (both, Counts(1, 1), Counts(1, 1)),
        (candidate_only, Counts(1, 1), Counts(1, 0)),
        (stable_only, Counts(1, 0), Counts(1, 1)),
        (1 - both - candidate_only - stable_only, Counts(1, 0), Counts(1, 0)),
    ]
    for _ in range(pairs):
        grown: dict[Interval, float] = {}
        for interval, chance in found.items():
            for likely, candidate, stable in steps:
                more = interval + Interval(candidate=candidate, stable=stable)
                grown[more] = grown.get(more, 0.0) + chance * likely
        found = grown
    return found


def expectation(cases: Iterator[tuple[float, Interval]], of: Callable[[Interval], float]) -> float:
    """The mean of `of` over all cases."""
    return sum(chance * of(interval) for chance, interval in cases if chance > 0)
