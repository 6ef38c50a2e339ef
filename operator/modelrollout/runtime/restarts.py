"""Restarts as counts: of so many pod-minutes, so many with a restart in them.

Read from the pods themselves, so it needs no Prometheus, and a pod that died before anybody scraped it counts all the
same. A minute is bad or it is not: restarts beyond one a minute count in the minutes after. Only whole minutes are
told, because a part of a minute is no trial of its own.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from modelrollout.evidence import Counts
from modelrollout.plan.observation import PodView
from modelrollout.runtime.ledger import Cumulative

_MINUTE = 60.0


def minutes(pods: Iterable[PodView], *, at: datetime, known: Mapping[str, Cumulative]) -> dict[str, Cumulative]:
    """Minutes since each pod started, and restarts up to `at`; not of pods without another minute since `known`."""
    found: dict[str, Cumulative] = {}
    for pod in pods:
        if pod.started_at is None or pod.started_at > at:
            continue
        whole = float((at - pod.started_at).total_seconds() // _MINUTE)
        before = known.get(pod.name)
        if before is not None and before.total == whole:
            continue
        later = pod.restarted_at is not None and pod.restarted_at > at
        restarts = max(0, pod.restarts - later)
        found[pod.name] = Counts(total=whole, bad=min(float(restarts), whole))
    return found
