"""How far apart two spreads are, and whether that is more than chance.

PSI is the sum over the bins of (p − q)·ln(p/q). With equal spreads it is not 0 but about χ²(bins − 1)·(1/n + 1/m), for
n and m that were counted on either side: 100 requests in 10 bins give 0.24 once in a hundred times. So a fixed limit
calls chance a drift below some 200 requests. The verdict here is `Drift` only where PSI is beyond the limit and beyond
what chance gives, and `Insufficient` where chance alone could reach the limit.

`n` are requests and not rows: rows of one request are alike, and ten thousand copies of one row say no more than one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LEAST_SHARE = 1e-4
"""An empty bin counts as this much: ln of nothing is no number, and a bin that fills up must not weigh without end."""

USUAL_LIMIT = 0.2
USUAL_ALPHA = 0.01


class Drift(StrEnum):
    DRIFT = "Drift"
    NONE = "None"
    INSUFFICIENT = "Insufficient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`chance` is what PSI stays below with probability 1 − alpha where nothing differs."""

    verdict: Drift
    psi: float
    chance: float
    distance: float


def judge(
    counts: Sequence[float],
    ratios: Sequence[float],
    *,
    requests: float,
    reference_rows: float,
    features: int = 1,
    limit: float = USUAL_LIMIT,
    alpha: float = USUAL_ALPHA,
) -> Judgement:
    """Live counts by bin against the reference's shares. `features`: how many are judged at once; any of them may
    drift by chance, so each has its part of `alpha`.
    """
    bound = chance(bins=len(ratios), requests=requests, reference_rows=reference_rows, alpha=alpha / max(1, features))
    total = math.fsum(counts)
    if total <= 0 or requests <= 0:
        return Judgement(verdict=Drift.INSUFFICIENT, psi=0.0, chance=math.inf, distance=0.0)
    shares = [count / total for count in counts]
    found = psi(shares, ratios)
    known = Drift.INSUFFICIENT if bound > limit else Drift.NONE
    return Judgement(
        verdict=Drift.DRIFT if found > max(limit, bound) else known,
        psi=found,
        chance=bound,
        distance=jensen_shannon(shares, ratios),
    )


def psi(live: Sequence[float], reference: Sequence[float]) -> float:
    """Of two lists of shares."""
    pairs = [(max(LEAST_SHARE, p), max(LEAST_SHARE, q)) for p, q in zip(live, reference, strict=True)]
    return math.fsum((p - q) * math.log(p / q) for p, q in pairs)


def jensen_shannon(live: Sequence[float], reference: Sequence[float]) -> float:
    """The distance, which is the root of the divergence in natural logarithms; from 0 to 0.83."""

    def part(one: float, mean: float) -> float:
        return one * math.log(one / mean) if mean > 0 < one else 0.0

    pairs = [(p, q, (p + q) / 2) for p, q in zip(live, reference, strict=True)]
    return math.sqrt(max(0.0, math.fsum((part(p, mean) + part(q, mean)) / 2 for p, q, mean in pairs)))


def chance(*, bins: int, requests: float, reference_rows: float, alpha: float = USUAL_ALPHA) -> float:
    """What PSI stays below where nothing differs: the quantile of χ² by Wilson and Hilferty."""
    if requests <= 0 or reference_rows <= 0:
        return math.inf
    freedom = max(1, bins - 1)
    part = 2 / (9 * freedom)
    quantile = freedom * (1 - part + normal_quantile(alpha) * math.sqrt(part)) ** 3
    return quantile * (1 / requests + 1 / reference_rows)


def normal_quantile(alpha: float) -> float:
    """What a normal variable exceeds with probability `alpha` ≤ 0.5; right to 0.003 (Hastings), as the recording rule
    computes it.
    """
    t = math.sqrt(-2 * math.log(alpha))
    return t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t)
