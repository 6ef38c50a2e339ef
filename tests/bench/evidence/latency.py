"""Latency against the live version, judged at every bound of a histogram: log-normal times of 50 ms, sigma 0.5."""

import math
from statistics import NormalDist

import numpy as np

from modelrollout.evidence import Counts, GatePolicy, Interval, log_harm, start, update
from modelrollout.evidence.dispersion import Dispersion, dispersion
from modelrollout.evidence.histogram import at_edges
from modelrollout.evidence.logs import log_mean
from tests.bench.evidence.ours import FALSE_ROLLBACK, by_pod
from tests.bench.evidence.traffic import HISTORY_INTERVALS, INTERVAL_SECONDS, INTERVALS, STABLE_PODS, Numbers

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
POLICY = GatePolicy(name="latency", ratio=1.0, tolerate=0.02, promote_within=0.05)
_MEDIAN_SECONDS = 0.05
_SIGMA = 0.5
_CHUNK = 60  # intervals that are drawn at once


def _shares(slower: float) -> Numbers:
    """Of all requests, for each bucket."""
    times = NormalDist(math.log(_MEDIAN_SECONDS * slower), _SIGMA)
    below = [times.cdf(math.log(bound)) for bound in BOUNDS_SECONDS]
    return np.diff([0.0, *below, 1.0])


def _beyond(rng: np.random.Generator, total: np.ndarray, slower: float) -> Numbers:
    """How many are beyond each bound."""
    buckets = rng.multinomial(total, _shares(slower))
    beyond: Numbers = np.flip(np.cumsum(np.flip(buckets, axis=-1), axis=-1), axis=-1)[..., 1:].astype(np.float64)
    return beyond


def history(rng: np.random.Generator, requests_per_second: float) -> list[Dispersion]:
    """phi at each bound."""
    mean = requests_per_second * INTERVAL_SECONDS / STABLE_PODS
    total = rng.poisson(mean, (HISTORY_INTERVALS, STABLE_PODS))
    beyond = np.concatenate([_beyond(rng, part, 1.0) for part in np.split(total, HISTORY_INTERVALS // _CHUNK)])
    return [dispersion(by_pod(total.astype(np.float64), beyond[:, :, edge])) for edge in range(len(BOUNDS_SECONDS))]


def first_rollback(
    rng: np.random.Generator, known: list[Dispersion], *, requests_per_second: float, slower: float
) -> int | None:
    """One rollout at a weight of 10 %; the interval, from 1, after which the gate rolls back."""
    requests = requests_per_second * INTERVAL_SECONDS
    candidate, stable = rng.poisson(requests / 10, INTERVALS), rng.poisson(requests * 9 / 10, INTERVALS)
    slow, usual = _beyond(rng, candidate, slower), _beyond(rng, stable, 1.0)
    edges = at_edges(POLICY, len(BOUNDS_SECONDS))
    evidence = [start(planned_intervals=INTERVALS, phi=one.phi, history=one.history) for one in known]
    line = math.log(1 / FALSE_ROLLBACK)
    for number in range(INTERVALS):
        for index, edge in enumerate(edges):
            interval = Interval(
                candidate=Counts(float(candidate[number]), float(slow[number, index])),
                stable=Counts(float(stable[number]), float(usual[number, index])),
            )
            evidence[index] = update(evidence[index], edge, interval)
        if log_mean(log_harm(one) for one in evidence) >= line:
            return number + 1
    return None
