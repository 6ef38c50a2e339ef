"""Runs of one kind of traffic through rules, and what came of them. Seeds follow from the traffic."""

import statistics
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from modelrollout.evidence.dispersion import Dispersion
from tests.bench.evidence import ours
from tests.bench.evidence.rules import RULES, Rule
from tests.bench.evidence.traffic import INTERVAL_SECONDS, Arms, Traffic

ROLLOUTS_PER_HISTORY = 4
"""Making and measuring 16 hours of nine pods costs more than the rollout itself, so each past has four futures."""


@dataclass(slots=True)
class Outcomes:
    """Of one rule: how many runs it rolled back, when, and at what price."""

    runs: int = 0
    seconds: list[int] = field(default_factory=list)
    excess: list[float] = field(default_factory=list)

    @property
    def percent(self) -> float:
        return 100 * len(self.seconds) / self.runs

    @property
    def delay(self) -> float:
        return statistics.median(self.seconds)

    @property
    def cost(self) -> float:
        return statistics.median(self.excess)


def runs(traffic: Traffic, count: int) -> Iterator[tuple[Arms, Dispersion]]:
    seed = zlib.crc32(repr((traffic.kind, traffic.base, traffic.requests_per_second, traffic.effect)).encode())
    rng = np.random.default_rng(seed)
    for number in range(count):
        if number % ROLLOUTS_PER_HISTORY == 0:
            known = ours.measured(traffic.history(rng))
        yield traffic.rollout(rng), known


def measure(traffic: Traffic, count: int, rules: Mapping[str, Rule] = RULES) -> dict[str, Outcomes]:
    found = {name: Outcomes() for name in rules}
    for arms, known in runs(traffic, count):
        for name, rule in rules.items():
            outcome = found[name]
            outcome.runs += 1
            ended = rule(traffic, arms, known)
            if ended is not None:
                outcome.seconds.append(ended * INTERVAL_SECONDS)
                outcome.excess.append(excess_errors(arms, ended))
    return found


def excess_errors(arms: Arms, intervals: int) -> float:
    """Bad answers of the candidate beyond what the stable rate of each interval would have given."""
    total, bad = (series[:intervals] for series in arms.stable)
    usual = np.divide(bad, total, out=np.zeros_like(bad), where=total > 0) * arms.candidate_total[:intervals]
    return float((arms.candidate_bad[:intervals] - usual).sum())
