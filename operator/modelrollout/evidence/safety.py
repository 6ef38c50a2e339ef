"""Evidence that the candidate is good enough: a bet against "p_c >= ratio * p_s + excess".

The mirror image of `harm`: here the null is that the candidate exceeds the stable arm by at least `excess` in every
interval, and a stake that reaches `1/falsePromotion` shows that it does not.

**One interval.** For a bet R < 1 ("the candidate's rate is only R times that") let r = ratio * n_c / n_s and

    a = R (1 + r) / (1 + r R) <= 1,    b = (1 + r) / (1 + r R) >= 1
    ln L(excess) = x_c ln a + x_s ln b + n_c (1 - a) * excess

**Why E[L] <= 1 under the null.** As in `harm`, E[a^x_c b^x_s] <= (1 - p_c (1-a))^n_c (1 + p_s (b-1))^n_s, for scores
and for unequal rates too. By ln(1 + y) <= y this is at most exp(-n_c p_c (1-a) + n_s p_s (b-1)), which falls with p_c,
so put p_c = ratio * p_s + excess. Now n_c * ratio * (1-a) = n_s r (1-R) / (1 + r R) = n_s (b-1): the two terms with p_s
cancel, whatever p_s is, and exp(-n_c (1-a) excess) is left, which is what L divides by. No guess of p_s is needed.
Mirrored pairs: a falls and b rises with a bad pair, so positive dependence lowers E[L]. ratio = 0: a = R and b = 1.

**Linear in excess**, so one pair of running sums a bet answers for every excess at once: the constant part and the
slope n_c (1 - a). The price is the second-order term of ln(1 + y), which is small while rates are.

**Upper bound.** ln E rises with excess. The excesses at which it has not reached ln(1/falsePromotion) form an interval
from below, and its end is an upper bound of the true excess p_c - ratio * p_s, at all looks together, with probability
1 - falsePromotion (the true value is outside only if its own stake reached the line). Where the excess varies, the
bound is one of its smallest value: it speaks of faults that were there throughout.
"""

import math
from collections.abc import Sequence

from modelrollout.evidence.counts import Interval
from modelrollout.evidence.logs import log_mean

BETS = (0.9, 0.75, 0.5, 0.25, 0.05)
"""Each bet gets an equal share of the stake."""

_STEPS = 100
_PRECISION = 1e-9  # of the bound; the steps shrink quadratically near the root


def log_factor(bet: float, *, ratio: float, interval: Interval) -> tuple[float, float]:
    """ln L of one interval for one bet as (constant, slope in excess); needs what `harm.log_factor` needs."""
    candidate, stable = interval.candidate, interval.stable
    odds = ratio * candidate.total / stable.total if ratio else 0.0
    loss = (1 - bet) / (1 + odds * bet)  # 1 - a, without the cancellation
    constant = candidate.bad * math.log1p(-loss) + stable.bad * math.log1p(odds * loss)
    return constant, candidate.total * loss


def sums_at(excess: float, *, constants: Sequence[float], slopes: Sequence[float]) -> tuple[float, ...]:
    """ln E of each bet against "the candidate exceeds by at least `excess`"."""
    return tuple(constant + slope * excess for constant, slope in zip(constants, slopes, strict=True))


def log_evidence(*, constants: Sequence[float], slopes: Sequence[float], excess: float) -> float:
    """Of all bets together."""
    return log_mean(sums_at(excess, constants=constants, slopes=slopes))


def upper_bound(*, constants: Sequence[float], slopes: Sequence[float], false_promotion: float) -> float:
    """The smallest excess in [0, 1] that is refuted; 1 if none is.

    ln E is convex in excess, so Newton's steps downwards from what is refuted never pass the root: wherever they stop
    is a bound. They start where the best single bet refutes alone, with its share of the stake, which is near the root.
    """
    line = math.log(1 / false_promotion)
    if log_evidence(constants=constants, slopes=slopes, excess=0.0) >= line:
        return 0.0
    alone = line + math.log(len(constants))
    refuted = min(
        1.0,
        *((alone - constant) / slope if slope > 0 else 1.0 for constant, slope in zip(constants, slopes, strict=True)),
    )
    for _ in range(_STEPS):
        logs = sums_at(refuted, constants=constants, slopes=slopes)
        surplus = log_mean(logs) - line
        if surplus <= 0:
            break
        largest = max(logs)
        shares = [math.exp(value - largest) for value in logs]
        steepness = math.fsum(share * slope for share, slope in zip(shares, slopes, strict=True)) / math.fsum(shares)
        step = surplus / steepness
        refuted -= step
        if step < _PRECISION:
            break
    return refuted
