"""Which PromQL tells the alerts that fire, and since when. Pure text; nothing is asked here.

`ALERTS` says that an alert fires and `ALERTS_FOR_STATE` since when its expression has been true, so that one query for
both tells what a rollout must know: an alert whose cause is older than the rollout is not the new version's doing. Both
are written by Prometheus' own rules, and by Thanos', Mimir's and VictoriaMetrics' as well.

The selectors of all policies are joined, each once, however many rollouts have the same. A value goes in as a quoted
string; an expression too, because it is the user's own and cannot leave the string.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote_plus

from modelrollout.adapters.prometheus import Series
from modelrollout.adapters.promql import quoted
from modelrollout.adapters.queries import URL_LIMIT
from modelrollout.api.alerts import bounded
from modelrollout.plan.alerts import Firing, Selector

_OR = " or "


def queries(selectors: Iterable[Selector], *, limit: int = URL_LIMIT) -> list[str]:
    """As few as keep each within `limit` bytes once encoded; a selector that is too long for it stands alone."""
    return [_OR.join(group) for group in _groups(sorted({_one(selector) for selector in selectors}), limit=limit)]


def firing(series: Iterable[Series]) -> Iterator[Firing]:
    """The alerts that an answer tells."""
    for one in series:
        labels = {label: value for label, value in one.labels.items() if label != "__name__"}
        try:
            since = datetime.fromtimestamp(one.value, UTC)
        except (OverflowError, ValueError, OSError):
            continue
        yield Firing(bounded(labels), since)


def _one(selector: Selector) -> str:
    asked = [f"{label}={quoted(value)}" for label, value in selector.equal]
    asked += [f"{label}=~{quoted(pattern)}" for label, pattern in selector.matching]
    matchers = ",".join(asked)
    firing_ones = f'ALERTS{{alertstate="firing",{matchers}}}'
    return f"(ALERTS_FOR_STATE{{{matchers}}} and ignoring (alertstate) {firing_ones})"


def _groups(parts: Iterable[str], *, limit: int) -> Iterator[list[str]]:
    group: list[str] = []
    length = 0
    for part in parts:
        added = len(quote_plus(part)) + len(quote_plus(_OR))
        if group and length + added > limit:
            yield group
            group, length = [], 0
        group.append(part)
        length += added
    if group:
        yield group
