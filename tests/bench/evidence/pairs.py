"""Simulated pairs of answers: what an observer would count, interval by interval.

Each sampled request is answered by the live version and by the candidate, and a tenth of them by the live version
twice. What differs is how disagreements come:

* independent: each request by itself, and its noise pair by itself.
* one answer against two: the noise pair of a request disagrees where its pair agrees, as far as the rates allow.
* repeats: requests come in runs of five on average (geometric) with one outcome: clients that retry.
* wandering: the disagreement beyond the noise floor wanders by itself, log-normally with deviation 0.3 and correlation
  0.8 from one interval to the next, around the stated one: batches of one kind of input.
"""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from modelrollout.evidence import AgreementPolicy, Counts, Interval, agreement
from modelrollout.evidence.bursts import Bursts
from modelrollout.evidence.logs import log_mean

INTERVAL_SECONDS = 5
INTERVALS = 720
NOISE_SHARE = 0.1
FALSE_ROLLBACK, FALSE_PROMOTION = 0.01, 0.05
_REPEATS = 5.0
_DEVIATION, _CORRELATION = 0.3, 0.8


class Kind(StrEnum):
    INDEPENDENT = "independent"
    OPPOSED = "one answer against two"
    REPEATS = "repeats, mean 5"
    WANDERING = "wandering, sd 0.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """`floor` is how often live disagrees with itself, `beyond` how much more often with the candidate."""

    kind: Kind
    floor: float
    beyond: float
    per_second: float
    noise_share: float = NOISE_SHARE

    def intervals(self, rng: np.random.Generator) -> Iterator[Interval]:
        """An hour of them."""
        wander = 0.0
        for _ in range(INTERVALS):
            beyond = self.beyond
            if self.kind is Kind.WANDERING:
                fresh = rng.normal(0, _DEVIATION * math.sqrt(1 - _CORRELATION**2))
                wander = _CORRELATION * wander + fresh
                beyond *= math.exp(wander - _DEVIATION**2 / 2)
            yield self._interval(rng, min(1.0, self.floor + beyond))

    def _interval(self, rng: np.random.Generator, rate: float) -> Interval:
        requests = rng.poisson(self.per_second * INTERVAL_SECONDS)
        sizes = np.ones(requests, dtype=np.int64)
        if self.kind is Kind.REPEATS:
            sizes = rng.geometric(1 / _REPEATS, rng.poisson(requests / _REPEATS))
        drawn = rng.random(len(sizes))
        pair = drawn < rate
        noise = drawn > 1 - self.floor if self.kind is Kind.OPPOSED else rng.random(len(sizes)) < self.floor
        asked_twice = rng.binomial(sizes, self.noise_share)
        return Interval(
            candidate=Counts(float(sizes.sum()), float(sizes[pair].sum())),
            stable=Counts(float(asked_twice.sum()), float(asked_twice[noise].sum())),
        )


@dataclass(slots=True)
class Ends:
    """Pairs and seconds until a disagreement was found, or agreement shown, whichever line was reached."""

    runs: int = 0
    differs: list[tuple[float, int]] = field(default_factory=list)
    agrees: list[tuple[float, int]] = field(default_factory=list)

    def told(self, found: list[tuple[float, int]]) -> str:
        """Percent, and where it happens at all the median pairs and seconds."""
        share = f"{100 * len(found) / self.runs:.1f}"
        if not found:
            return share
        pairs, seconds = (statistics.median(column) for column in zip(*found, strict=True))
        return f"{share} / {pairs:.0f} / {seconds:.0f}"


def measure(truth: Pairs, count: int, *, target: float, with_phi: bool = True) -> Ends:
    """Both lines of each rollout for an hour, each whether or not the other was reached."""
    ends = Ends()
    policy = AgreementPolicy(name="agreement", beyond=1 - target)
    rng = np.random.default_rng([round(1e4 * truth.floor), round(1e4 * truth.beyond), round(truth.per_second)])
    harm, safety = math.log(1 / FALSE_ROLLBACK), math.log(1 / FALSE_PROMOTION)
    for _ in range(count):
        ends.runs += 1
        evidence = agreement.start(planned_intervals=INTERVALS)
        differs = agrees = False
        for number, interval in enumerate(truth.intervals(rng), start=1):
            evidence = agreement.update(evidence if with_phi else _without_phi(evidence), policy, interval)
            reached = (evidence.pairs.total, number * INTERVAL_SECONDS)
            if not differs and agreement.log_harm(evidence) >= harm:
                differs = True
                ends.differs.append(reached)
            if not agrees and log_mean(agreement.safety_sums(evidence, policy)) >= safety:
                agrees = True
                ends.agrees.append(reached)
            if differs and agrees:
                break
    return ends


def _without_phi(evidence: agreement.AgreementEvidence) -> agreement.AgreementEvidence:
    """As if requests were known to be independent: many blocks that have varied as they should."""
    return replace(evidence, bursts=INDEPENDENT)


INDEPENDENT = Bursts.of_rows(0, [[1000, 1000, 1e6, 2e4, 2e4 * 0.02, 0, 0]] * 3)
