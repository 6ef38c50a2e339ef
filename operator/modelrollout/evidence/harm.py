"""Evidence that the candidate is worse than tolerated: a bet against "p_c <= ratio * p_s + tolerate".

p_c and p_s are the shares of bad requests of candidate and stable in one interval, free to differ from interval to
interval. Somebody who does not believe the null stakes money on it. The bet is fair or worse under the null, so the
stake grows a hundredfold with probability 1/100 at most, ever, at any number of looks (Ville 1939). The stake is the
e-value; `1/falseRollback` is the line where the null is given up.

**One interval.** n_c, x_c are requests and bad requests of the candidate, n_s, x_s of the stable arm. For a bet R > 1
("the candidate's rate is R times what is tolerated") let

    r = ratio * n_c / n_s               a bad request is the candidate's with odds r : 1 on the edge of the null
    a = R (1 + r) / (1 + r R)           what such a request multiplies the stake by, if the candidate's
    q = ratio * g + tolerate            the candidate's tolerated rate, were the stable rate g
    A = r (a - 1) / (1 + q (a - 1)),    u = A / (1 + A g)
    ln L = x_c ln a + x_s ln(1 - u) - n_c ln(1 + q (a - 1)) - n_s ln(1 - g u)

**Why E[L] <= 1 under the null.** For y in [0, 1] and any base c > 0, c^y <= 1 + y (c - 1), since c^y is convex in y: so
scores are covered as well as zeros and ones. Requests are independent, hence E[a^x_c (1-u)^x_s] is at most
(1 + p_c (a-1))^n_c (1 - p_s u)^n_s, also with unequal rates inside the interval (arithmetic and geometric mean). This
grows with p_c, so put p_c = ratio * p_s + tolerate. Its logarithm is concave in p_s, and u is chosen so that its
derivative is zero at p_s = g. Its maximum is therefore its value at g, which is what L divides by. So g may be any
number that was fixed before the interval: a good guess of the stable rate makes the bet strong, a bad one weak, none
invalid.

**Keeping the guess inside the possible.** The null cannot allow more than p_c = 1, so a g beyond (1 - tolerate) / ratio
is pulled back to it, and q with it. Both together: clamping q alone moves the maximum away from g, and then E[L] > 1.

**Mirrored requests.** With a copy of each request sent to the candidate, x_c and x_s come in pairs that tend to be bad
together. a > 1 > 1 - u makes one factor rise and the other fall with a bad pair, so positive dependence lowers E[L].

**ratio = 0** is an absolute limit, p_c <= tolerate: then r = 0, a = R, u = 0 and the stable arm drops out.

The bet is a two-sample e-variable in the manner of Turner, Ly and Grünwald (2024), extended by a ratio and a margin.
"""

import math

from modelrollout.evidence.counts import Counts, Interval

BETS = (1.15, 1.4, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Each bet gets an equal share of the stake. Whichever is best in hindsight, the mean is at least a seventh of it."""

_FIRST_SHARE = 0.5
_PRIOR = Counts(total=20.0, bad=0.1)


def log_factor(bet: float, *, ratio: float, tolerate: float, guess: float, interval: Interval) -> float:
    """ln L of one interval for one bet; needs candidate requests and, unless ratio is 0, stable requests."""
    candidate, stable = interval.candidate, interval.stable
    odds = ratio * candidate.total / stable.total if ratio else 0.0
    gain = (bet - 1) / (1 + odds * bet)  # a - 1, without the cancellation
    if ratio:
        guess = min(guess, (1 - tolerate) / ratio)
    allowed = ratio * guess + tolerate
    pull = odds * gain / (1 + allowed * gain)
    loss = pull / (1 + pull * guess)
    return (
        candidate.bad * math.log1p(gain)
        + stable.bad * math.log1p(-loss)
        - candidate.total * math.log1p(allowed * gain)
        - stable.total * math.log1p(-guess * loss)
    )


def guess_rate(seen: Counts) -> float:
    """The stable arm's rate as far as it is known, pulled towards half a percent while little is known."""
    return (seen.bad + _PRIOR.bad) / (seen.total + _PRIOR.total)


def invested(intervals: int, *, planned: int) -> float:
    """The share of the stake that is in play after so many intervals.

    A fault that appears late would have to win back what the bets lost before it. So only half of the stake is put down
    at the first interval; the other half follows in equal parts over the intervals that are planned. What is not yet in
    play is kept, so the total stays a fair game.
    """
    if intervals <= 0:
        return 0.0
    if intervals >= planned:
        return 1.0
    return _FIRST_SHARE + (1 - _FIRST_SHARE) * (intervals - 1) / (planned - 1)
