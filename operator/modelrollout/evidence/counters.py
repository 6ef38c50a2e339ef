"""From cumulative counters, one pair a pod, to what was served between two readings.

The operator reads raw counters at times that it chose and takes differences itself, so every request is counted at most
once however often it asks, restarts or misses an answer. The rules, pod by pod:

* A pod that is seen for the first time gives a baseline and adds nothing, because its past is unknown; if it is known
  to have started after the previous reading, all of its value is new and counts.
* A counter that dropped was reset (the process restarted): what it shows now was served since, and counts. What was
  served between the previous reading and the restart is lost; restarts are judged from the pods themselves.
* A pod that cannot be read now adds nothing, and its previous reading stays the baseline (`carry`), so that a gap
  merges two intervals instead of losing or doubling one.
"""

import math
from collections.abc import Collection, Mapping

from modelrollout.evidence.counts import Counts


def readings(raw: Mapping[str, tuple[float, float]]) -> dict[str, Counts]:
    """Keep the pods whose `(total, bad)` can be read; NaN, an infinity or a negative number is no reading at all."""
    return {
        pod: Counts(total=total, bad=min(bad, total))
        for pod, (total, bad) in raw.items()
        if math.isfinite(total) and math.isfinite(bad) and total >= 0 and bad >= 0
    }


def difference(
    *, previous: Mapping[str, Counts], current: Mapping[str, Counts], started_since: Collection[str] = ()
) -> Counts:
    """What all pods together served between two readings; `started_since` names pods younger than the previous one."""
    total = bad = 0.0
    for pod, now in current.items():
        before = previous.get(pod)
        if before is None:
            if pod not in started_since:
                continue
            before = Counts()
        elif now.total < before.total or now.bad < before.bad:
            before = Counts()
        total += now.total - before.total
        bad += now.bad - before.bad
    # One counter of a pair can be read a moment before the other, so a window may hold the error but not its request.
    return Counts(total=total, bad=min(bad, total))


def carry(
    *, previous: Mapping[str, Counts], current: Mapping[str, Counts], gone: Collection[str] = ()
) -> dict[str, Counts]:
    """The baseline for the next difference; `gone` names pods that no longer exist and need not be remembered."""
    return {pod: counts for pod, counts in {**previous, **current}.items() if pod not in gone}
