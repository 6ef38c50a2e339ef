"""What one arm served in one interval: so many requests, so many of them bad.

"Bad" is whatever the gate asks about: a failed request, one that was slower than a bound, a wrong label. A score in
[0, 1] fits as well: `bad` is then the sum of (1 - score). Counts are floats because some sources extrapolate.
"""

import math
from dataclasses import dataclass

from modelrollout.evidence.errors import EvidenceError

_ROUNDING = 1e-6  # relative; by how much `bad` may exceed `total` and still be called a rounding error


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one arm, `0 <= bad <= total`."""

    total: float = 0.0
    bad: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.total) and math.isfinite(self.bad)):
            raise EvidenceError(f"Counts must be finite numbers, not total={self.total}, bad={self.bad}.")
        if self.total < 0 or self.bad < 0:
            raise EvidenceError(f"Counts must not be negative, but total={self.total}, bad={self.bad}.")
        if self.bad > self.total:
            if self.bad > self.total + _ROUNDING * max(1.0, self.total):
                raise EvidenceError(f"There cannot be more bad requests ({self.bad}) than requests ({self.total}).")
            object.__setattr__(self, "bad", self.total)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(total=self.total + other.total, bad=self.bad + other.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Both arms over the same stretch of time, during which the split of traffic between them did not change.

    Any length will do, and stretches may be merged as long as the split stays the same. Across a change of weight they
    may not: if the weight and the error rate of both arms rise together, the merged candidate has seen more of the bad
    time than the merged stable arm has, and looks worse without being worse (Simpson's paradox).
    """

    candidate: Counts
    stable: Counts

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(candidate=self.candidate + other.candidate, stable=self.stable + other.stable)
