"""Simulated rollouts: random requests through the operator's own evidence code, judged by its rule."""

import functools
import itertools
import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelrollout.evidence import (
    Counts,
    ErrorRates,
    GateEvidence,
    GatePolicy,
    Interval,
    Verdict,
    judge,
    next_weight,
    start,
    update,
    upper_bound,
)

RATES = ErrorRates(false_rollback=0.01, false_promotion=0.05)


def log_probability(count: int, *, of: int, rate: float) -> float:
    """ln P(Binomial(of, rate) = count) for 0 < rate < 1."""
    choices = math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
    return choices + count * math.log(rate) + (of - count) * math.log1p(-rate)


@functools.cache
def _cumulative(of: int, rate: float) -> tuple[int, Sequence[float]]:
    """The first count that can matter, and the distribution function from there on (ten deviations either way)."""
    spread = 10 * math.sqrt(of * rate * (1 - rate)) + 20
    first, last = max(0, int(of * rate - spread)), min(of, int(of * rate + spread))
    odds = rate / (1 - rate)
    probability = math.exp(log_probability(first, of=of, rate=rate))
    steps = [probability]
    for count in range(first, last):
        probability *= (of - count) / (count + 1) * odds
        steps.append(probability)
    return first, list(itertools.accumulate(steps))


def binomial(rng: random.Random, *, of: int, rate: float) -> int:
    """A draw by inversion of the distribution function."""
    if of == 0 or rate <= 0:
        return 0
    if rate >= 1:
        return of
    first, cumulative = _cumulative(of, rate)
    return first + min(bisect_left(cumulative, rng.random()), len(cumulative) - 1)


def quantile(level: float, *, of: int, rate: float) -> int:
    """The smallest count with P(Binomial(of, rate) <= count) >= level."""
    reached = 0.0
    for count in range(of + 1):
        reached += math.exp(log_probability(count, of=of, rate=rate))
        if reached >= level:
            return count
    return of


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so: the candidate's rate is `ratio` times the stable rate plus `points`, a fraction.

    `shocks` multiply the stable rate, one of them drawn for each interval: an outage of what both arms depend on.
    `requests_per_second` is the load of both arms together.
    """

    stable_rate: float
    ratio: float = 1.0
    points: float = 0.0
    requests_per_second: float
    interval_seconds: float = 30.0
    shocks: Sequence[float] = (1.0,)

    def candidate_rate(self, stable_rate: float) -> float:
        """The candidate's rate while the stable arm has this one."""
        return min(1.0, self.ratio * stable_rate + self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a rollout ended: when, and how many bad requests it cost beyond what the stable arm would have had."""

    verdict: Verdict
    seconds: float
    excess_errors: float


def served(rng: random.Random, truth: Truth, *, weight: int) -> Interval:
    """One interval at a weight in percent: each request goes to either arm by chance and fails by chance."""
    requests = round(truth.requests_per_second * truth.interval_seconds)
    stable_rate = truth.stable_rate * rng.choice(truth.shocks)
    candidate = binomial(rng, of=requests, rate=weight / 100)
    stable = requests - candidate
    return Interval(
        candidate=Counts(total=candidate, bad=binomial(rng, of=candidate, rate=truth.candidate_rate(stable_rate))),
        stable=Counts(total=stable, bad=binomial(rng, of=stable, rate=stable_rate)),
    )


def first_crossing(
    rng: random.Random,
    policy: GatePolicy,
    *,
    schedule: Sequence[tuple[Truth, int]],
    log_evidence: Callable[[GateEvidence], float],
    error_rate: float,
) -> int | None:
    """The first interval (from 1) after which the evidence reaches 1/error_rate, whatever other evidence says.

    `schedule` names the truth and the weight of each interval.
    """
    line = math.log(1 / error_rate)
    evidence = start(planned_intervals=len(schedule))
    for number, (truth, weight) in enumerate(schedule, start=1):
        evidence = update(evidence, policy, served(rng, truth, weight=weight))
        if log_evidence(evidence) >= line:
            return number
    return None


def paced_rollout(
    rng: random.Random,
    truth: Truth,
    policy: GatePolicy,
    *,
    menu: Sequence[int],
    error_budget: float,
    planned_intervals: int,
) -> Outcome:
    """`pace: Evidence`, looking after each interval until a verdict; Insufficient if none was reached in time."""
    evidence = start(planned_intervals=planned_intervals)
    weight, excess_errors, verdict, number = min(menu), 0.0, Verdict.NoData, 0
    while verdict not in (Verdict.Pass, Verdict.Fail) and number < planned_intervals:
        interval = served(rng, truth, weight=weight)
        number += 1
        excess_errors += interval.candidate.total * (truth.candidate_rate(truth.stable_rate) - truth.stable_rate)
        evidence = update(evidence, policy, interval)
        judgement = judge([(policy, evidence)], rates=RATES)
        verdict = judgement.verdict
        weight = next_weight(
            current=weight,
            menu=menu,
            requests_per_second=truth.requests_per_second,
            interval_seconds=truth.interval_seconds,
            upper_bound=upper_bound(evidence, false_promotion=RATES.false_promotion),
            error_budget=error_budget,
        )
    return Outcome(verdict=verdict, seconds=number * truth.interval_seconds, excess_errors=excess_errors)
