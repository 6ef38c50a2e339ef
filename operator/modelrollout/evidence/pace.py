"""How much traffic the candidate may get next: as much as the users can afford if it is as bad as it may still be.

With an upper bound U of the excess (share of requests that go wrong because of the candidate), a weight of w percent at
s requests a second costs w/100 * s * interval * U bad requests in the next interval, or fewer, in expectation. The next
weight is the largest that keeps this within the budget. While nothing is known U is 1, so the budget alone bounds the
first step; a candidate that does well earns larger steps with each interval. Risk-based ramps are known from Uber (Zhao
et al. 2019).
"""

import math
from collections.abc import Sequence

from modelrollout.evidence.errors import EvidenceError

_FULL = 100


def next_weight(
    *,
    current: int,
    menu: Sequence[int],
    requests_per_second: float,
    interval_seconds: float,
    upper_bound: float,
    error_budget: float,
) -> int:
    """The next weight in percent: from `menu`, never below `current`, and at least the menu's smallest.

    `requests_per_second` is that of both arms together; `error_budget` is in requests per interval. Without traffic
    nothing was learnt and nothing is known about the load to come, so the weight stays. A weight of 100 is passed over:
    it would leave no stable requests to compare with, and full traffic comes with promotion.
    """
    if not menu:
        raise EvidenceError("The menu of weights is empty.")
    floor = max(current, min(menu))
    if not (math.isfinite(requests_per_second) and requests_per_second > 0):
        return floor
    cost_of_one_percent = requests_per_second * interval_seconds * upper_bound / 100
    affordable = [weight for weight in menu if weight < _FULL and weight * cost_of_one_percent <= error_budget]
    return max([floor, *affordable])
