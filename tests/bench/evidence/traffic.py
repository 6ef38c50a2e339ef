"""Simulated traffic of one rollout, pod by pod: the stable pods' past, then both arms side by side.

One candidate pod has a tenth of all requests and nine stable pods share the rest, which is how a ratio of pods would
have it. All pods have the same share. What differs is how bad requests come:

* independent: each request fails by itself.
* diurnal and shared shocks: load and error rate swing over the day, and at times everything fails for some minutes
  because of something that both arms depend on.
* bursts: failures come in runs of five on average (geometric), each run on one pod: a client that retries.
* pod noise: each pod's error rate wanders by itself, log-normally with deviation 0.2 and correlation 0.8 from one
  interval to the next.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

INTERVAL_SECONDS = 30
INTERVALS = 120
HISTORY_INTERVALS = 1920
STABLE_PODS = 9
_PODS = STABLE_PODS + 1

Numbers = NDArray[np.float64]


class Kind(StrEnum):
    INDEPENDENT = "independent"
    DIURNAL = "diurnal + shared shocks"
    BURSTS = "bursts of mean 5 in one arm"
    POD_NOISE = "AR pod noise, sd 0.2"


_BURST = 5.0
_NOISE = 0.2
_CORRELATION = 0.8
_DAY = 2880  # intervals
_SHOCK_EVERY = 100  # intervals on average
_SHOCK_LENGTH = 4
_SHOCK_FACTOR = 10.0
_LARGEST_RATE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Requests and bad requests: intervals of the candidate, intervals by pods of the stable arm."""

    candidate_total: Numbers
    candidate_bad: Numbers
    stable_total: Numbers
    stable_bad: Numbers

    @property
    def stable(self) -> tuple[Numbers, Numbers]:
        """Of all stable pods together."""
        return self.stable_total.sum(axis=1), self.stable_bad.sum(axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What is really so. `effect` multiplies the candidate's rate, one number for each interval."""

    kind: Kind
    base: float
    requests_per_second: float
    effect: Numbers | float = 1.0

    def history(self, rng: np.random.Generator, intervals: int = HISTORY_INTERVALS) -> tuple[Numbers, Numbers]:
        """Requests and bad requests of the stable pods before the rollout."""
        total, bad = self._served(rng, pods=STABLE_PODS, intervals=intervals, effect=np.ones((intervals, STABLE_PODS)))
        return total, bad

    def rollout(self, rng: np.random.Generator) -> Arms:
        effect = np.ones((INTERVALS, _PODS))
        effect[:, 0] = self.effect
        total, bad = self._served(rng, pods=_PODS, intervals=INTERVALS, effect=effect)
        return Arms(
            candidate_total=total[:, 0], candidate_bad=bad[:, 0], stable_total=total[:, 1:], stable_bad=bad[:, 1:]
        )

    def _served(
        self, rng: np.random.Generator, *, pods: int, intervals: int, effect: Numbers
    ) -> tuple[Numbers, Numbers]:
        load = np.ones(intervals)
        rate = np.full((intervals, pods), self.base)
        if self.kind is Kind.DIURNAL:
            phase = 2 * np.pi * (rng.random() + np.arange(intervals) / _DAY)
            load = 1 + 0.5 * np.sin(phase)
            rate *= (1 + 0.5 * np.cos(phase))[:, None]
            rate *= np.where(_shocks(rng, intervals), _SHOCK_FACTOR, 1.0)[:, None]
        if self.kind is Kind.POD_NOISE:
            rate *= _noise(rng, intervals=intervals, pods=pods)
        rate = np.minimum(rate * effect, _LARGEST_RATE)
        mean = self.requests_per_second * INTERVAL_SECONDS / pods
        total = rng.poisson(mean * np.repeat(load[:, None], pods, axis=1))
        bad = _bursts(rng, total, rate) if self.kind is Kind.BURSTS else rng.binomial(total, rate)
        return total.astype(np.float64), bad.astype(np.float64)


def _shocks(rng: np.random.Generator, intervals: int) -> NDArray[np.bool_]:
    shaken = np.zeros(intervals, dtype=bool)
    for begin in np.flatnonzero(rng.random(intervals) < 1 / _SHOCK_EVERY):
        shaken[begin : begin + _SHOCK_LENGTH] = True
    return shaken


def _noise(rng: np.random.Generator, *, intervals: int, pods: int) -> Numbers:
    """Factors of mean one."""
    steps = rng.standard_normal((intervals, pods))
    steps[1:] *= (1 - _CORRELATION**2) ** 0.5
    for number in range(1, intervals):
        steps[number] += _CORRELATION * steps[number - 1]
    factors: Numbers = np.exp(_NOISE * steps - _NOISE**2 / 2)
    return factors


def _bursts(rng: np.random.Generator, total: NDArray[np.int64], rate: Numbers) -> NDArray[np.int64]:
    """The sum of a Poisson number of geometric runs is drawn as that number plus a negative binomial one."""
    runs = rng.poisson(total * rate / _BURST)
    longer = np.zeros_like(runs)
    some = runs > 0
    longer[some] = rng.negative_binomial(runs[some], 1 / _BURST)
    bad: NDArray[np.int64] = np.minimum(runs + longer, total)
    return bad
