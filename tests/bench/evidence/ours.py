"""The operator's own rule on simulated traffic: evidence of harm against 1/falseRollback, phi from the history."""

import functools
import math
from collections.abc import Iterator, Mapping

from modelrollout.evidence import Counts, GatePolicy, Interval, log_harm, start, update
from modelrollout.evidence.dispersion import Dispersion, dispersion
from tests.bench.evidence.traffic import INTERVALS, Arms, Numbers

POLICY = GatePolicy(name="errors", ratio=1.1, tolerate=0.0, promote_within=0.005)
FALSE_ROLLBACK = 0.01

_counts = functools.lru_cache(maxsize=200_000)(Counts)


def by_pod(total: Numbers, bad: Numbers) -> Iterator[Mapping[str, Counts]]:
    """The intervals of an arm as the operator sees them."""
    names = [f"pod-{number}" for number in range(total.shape[1])]
    for totals, bads in zip(total.tolist(), bad.tolist(), strict=True):
        yield dict(zip(names, map(_counts, totals, bads), strict=True))


def measured(history: tuple[Numbers, Numbers]) -> Dispersion:
    return dispersion(by_pod(*history))


def first_rollback(
    arms: Arms, known: Dispersion, *, policy: GatePolicy = POLICY, false_rollback: float = FALSE_ROLLBACK
) -> int | None:
    """The interval, from 1, after which the evidence of harm rolls back."""
    line = math.log(1 / false_rollback)
    stable_total, stable_bad = arms.stable
    evidence = start(planned_intervals=INTERVALS, phi=known.phi, history=known.history)
    served = zip(
        arms.candidate_total.tolist(),
        arms.candidate_bad.tolist(),
        stable_total.tolist(),
        stable_bad.tolist(),
        strict=True,
    )
    for number, (total, bad, other_total, other_bad) in enumerate(served, start=1):
        interval = Interval(candidate=Counts(total, bad), stable=Counts(other_total, other_bad))
        evidence = update(evidence, policy, interval)
        if log_harm(evidence) >= line:
            return number
    return None
