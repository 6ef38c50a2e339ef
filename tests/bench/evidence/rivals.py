"""What other tools decide on the same traffic: our own small versions of their rules, with common settings.

* `fixed_threshold`, as Argo Rollouts: the candidate's error rate over a window is measured every 30 s, a measurement
  above the threshold failed, and the rollout is aborted when more than `failureLimit` have failed, whenever they did.
* `failed_checks`, as Flagger: a check every minute over the last minute; failed checks are counted and never forgiven,
  and the rollout ends when they reach the threshold.
* `mann_whitney`, as Kayenta: error rates by the minute of both arms since the start are compared at each look. The
  canary is too high if the 98 % Mann-Whitney interval of the shift lies above a quarter of the estimated shift, and the
  ratio of means is at least one. Two series that have one value in common throughout pass.

All give the interval, from 1, at which they roll back, or None. A window without requests shows nothing.
"""

import math

import numpy as np

from tests.bench.evidence.traffic import INTERVALS, Arms, Numbers

_PER_MINUTE = 2
_FAILURE_LIMIT = 3
_FAILED_CHECKS = 5
_SUCCESS_RATE = 0.99
_NORMAL_98 = 2.3263
_EFFECT = 0.25
THREE_LOOKS = (40, 80, 120)
TWELVE_LOOKS = tuple(range(10, INTERVALS + 1, 10))


def fixed_threshold(arms: Arms, *, threshold: float, window: int = _PER_MINUTE) -> int | None:
    rates = _windowed(arms.candidate_bad, window) / np.maximum(_windowed(arms.candidate_total, window), 1)
    return _nth(rates > threshold, _FAILURE_LIMIT + 1)


def failed_checks(arms: Arms) -> int | None:
    total, bad = _by_minute(arms.candidate_total), _by_minute(arms.candidate_bad)
    failed = (total > 0) & (bad > (1 - _SUCCESS_RATE) * total)
    minute = _nth(failed, _FAILED_CHECKS)
    return None if minute is None else minute * _PER_MINUTE


def mann_whitney(arms: Arms, *, looks: tuple[int, ...]) -> int | None:
    stable_total, stable_bad = arms.stable
    candidate = _by_minute(arms.candidate_bad) / np.maximum(_by_minute(arms.candidate_total), 1)
    stable = _by_minute(stable_bad) / np.maximum(_by_minute(stable_total), 1)
    for look in looks:
        minutes = look // _PER_MINUTE
        if _too_high(candidate[:minutes], stable[:minutes]):
            return look
    return None


def _too_high(candidate: Numbers, stable: Numbers) -> bool:
    together = np.concatenate((candidate, stable))
    if together.min() == together.max() or candidate.mean() < stable.mean():
        return False
    shifts = np.sort((candidate[:, None] - stable[None, :]).ravel())
    pairs, points = len(shifts), len(candidate) + len(stable)
    rank = max(0, math.floor(pairs / 2 - _NORMAL_98 * math.sqrt(pairs * (points + 1) / 12)))
    return bool(shifts[rank] > _EFFECT * abs(float(np.median(shifts))))


def _windowed(series: Numbers, window: int) -> Numbers:
    """The sum of the last `window` values at each place."""
    sums = np.cumsum(series)
    sums[window:] -= sums[:-window].copy()
    return sums


def _by_minute(series: Numbers) -> Numbers:
    minutes: Numbers = series.reshape(-1, _PER_MINUTE).sum(axis=1)
    return minutes


def _nth(happened: np.ndarray, number: int) -> int | None:
    places = np.flatnonzero(happened)
    return int(places[number - 1]) + 1 if len(places) >= number else None
