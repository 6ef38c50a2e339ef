"""The alerts that fire now, for all rollouts that policies of theirs name: one query a tick, and none without any.

Where Alertmanager can be asked as well, it has the last word: what is silenced or inhibited is not an alert. Where it
cannot be reached, Prometheus' word stands, since an alert that fires is what the user asked to be taken back for, and
the way back does not wait for an answer.
"""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from modelrollout.adapters.alertmanager import AlertmanagerUnavailable
from modelrollout.adapters.alerts import firing, queries
from modelrollout.adapters.prometheus import Series
from modelrollout.plan.alerts import Firing, Selector, places

log = logging.getLogger(__name__)

Ask = Callable[[str, datetime], Awaitable[tuple[Series, ...] | str]]
"""A query at a time: its series, or why there are none."""

Alerts = Mapping[Selector, Mapping[str, tuple[Firing, ...]]]
"""By selector and by the namespace that an alert names; those that name none are under the empty string."""


class ActiveAlerts(Protocol):
    async def active(self, selector: Selector) -> tuple[Firing, ...]:
        """Alerts that are neither silenced nor inhibited. Raises AlertmanagerUnavailable."""
        ...


async def ask(
    selectors: Iterable[Selector], at: datetime, *, prometheus: Ask, alertmanager: ActiveAlerts | None
) -> Alerts | str:
    """What fires, or why that cannot be told."""
    wanted = list(dict.fromkeys(selectors))
    found: list[Firing] = []
    for query in queries(wanted):
        answer = await prometheus(query, at)
        if isinstance(answer, str):
            return answer
        found += firing(answer)
    alerts: dict[Selector, Mapping[str, tuple[Firing, ...]]] = {}
    for selector in wanted:
        hits = tuple(alert for alert in found if selector.matches(alert.labels))
        if hits and alertmanager is not None:
            hits = await _confirmed(selector, hits, alertmanager)
        alerts[selector] = _by_place(hits)
    return alerts


def of(alerts: Alerts, selectors: Iterable[Selector], namespace: str) -> tuple[Firing, ...]:
    """Those that one of the selectors names and that can be about something in this namespace."""
    found = [
        alert
        for selector in selectors
        for place in (namespace, "")
        for alert in alerts.get(selector, {}).get(place, ())
    ]
    return tuple({(tuple(sorted(alert.labels.items())), alert.starts_at): alert for alert in found}.values())


async def _confirmed(selector: Selector, hits: tuple[Firing, ...], alertmanager: ActiveAlerts) -> tuple[Firing, ...]:
    try:
        return await alertmanager.active(selector)
    except AlertmanagerUnavailable as error:
        log.warning("Alertmanager does not say what is silenced: %s; what Prometheus says counts", error.reason)
        return hits


def _by_place(alerts: Iterable[Firing]) -> Mapping[str, tuple[Firing, ...]]:
    found: dict[str, list[Firing]] = defaultdict(list)
    for alert in alerts:
        for place in places(alert.labels) or ("",):
            found[place].append(alert)
    return {place: tuple(those) for place, those in found.items()}
