"""Live capacity first: how many pods a share of traffic needs, and what share the ready pods can carry.

With a gateway the weight is exact and pods are capacity only. Without one, the ratio of ready pods behind one Service
is the weight, so the candidate is added beside a stable revision that keeps all of its pods.
"""

import math

FEWEST_CANARY_PODS = 2
"""One pod cannot be told from one bad node; where the deployment has two replicas or more, the canary has two."""


def replicas_for(*, weight: int, replicas: int) -> int:
    """Pods that carry `weight` percent of what `replicas` pods carry."""
    if weight <= 0:
        return 0
    return min(replicas, max(min(FEWEST_CANARY_PODS, replicas), math.ceil(weight * replicas / 100)))


def carried_weight(*, ready: int, replicas: int) -> int:
    """The largest whole percent of all traffic that `ready` pods can carry."""
    return min(100, ready * 100 // replicas)


def replicas_for_ratio(*, weight: int, replicas: int) -> int:
    """Candidate pods beside `replicas` stable ones that come nearest to `weight` percent from below, but at least one.

    Never more than `replicas`, which is half of the traffic: beyond that the next step is all of it.
    """
    if weight <= 0:
        return 0
    if weight >= 100:
        return replicas
    return min(replicas, max(1, weight * replicas // (100 - weight)))


def ratio_weight(*, candidate_ready: int, stable_ready: int) -> int:
    """Share in whole percent that pods behind one Service give to the candidate."""
    pods = candidate_ready + stable_ready
    return round(100 * candidate_ready / pods) if pods else 0
