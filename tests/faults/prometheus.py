"""Prometheus, as far as the operator's own questions go: counters of the pods that a query's matchers let through."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from modelrollout.adapters.library.observer import NOISE_PAIRS, PAIRS
from modelrollout.adapters.prometheus import History, Series
from modelrollout.adapters.queries import JOINT
from modelrollout.plan.alerts import Firing
from tests.faults.traffic import BUCKETS, Traffic

ALERTS = "ALERTS_FOR_STATE"
_MATCHER = re.compile(r'(namespace|pod)=~"((?:[^"\\]|\\.)*)"')


def answer(query: str, at: datetime, traffic: Traffic) -> tuple[Series, ...]:
    """One series for each pod and status code, or for each pod and bucket."""
    matchers = {name: re.compile(pattern.replace("\\\\", "\\")) for name, pattern in _MATCHER.findall(query)}
    series: list[Series] = []
    if PAIRS in query:
        return tuple(_pairs(at, traffic))
    for namespace, pod, errors, slow in traffic.counters(at):
        if not matchers["namespace"].fullmatch(namespace) or not matchers["pod"].fullmatch(pod):
            continue
        labels = {"namespace": namespace, "pod": pod}
        if "rest_server_requests_total" in query:
            codes = {"200": errors.total - errors.bad, "500": errors.bad}
            series += [Series({**labels, "status_code": code}, value) for code, value in codes.items()]
        else:
            fast = slow.total - slow.bad
            values = (0.0, fast, fast, slow.total)
            series += [Series({**labels, "le": bound}, value) for bound, value in zip(BUCKETS, values, strict=True)]
    return tuple(series)


def _pairs(at: datetime, traffic: Traffic) -> Iterator[Series]:
    """Joined as the query asks for it; whole answers alone."""
    for labels, pairs, noise in traffic.pairs(at):
        whose = {name: labels[name] for name in ("namespace", "pod", "modeldeployment")}
        for metric, counts in ((PAIRS, pairs), (NOISE_PAIRS, noise)):
            for result, value in (("agree", counts.total - counts.bad), ("disagree", counts.bad)):
                what = JOINT.join((labels["candidate"], labels["live"], metric, result, ""))
                yield Series({**whose, "what": what}, value)


def firing(alerts: Iterable[Firing], at: datetime) -> tuple[Series, ...]:
    """Whatever is asked for: who asks must look at the labels again."""
    return tuple(
        Series({"__name__": ALERTS, **alert.labels}, float(int(alert.starts_at.timestamp())))
        for alert in alerts
        if alert.starts_at <= at
    )


@dataclass
class MemoryPrometheus:
    """`MetricsSource` without a wire. `asked` is every query, with its time."""

    traffic: Traffic
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    alerts: list[Firing] = field(default_factory=list)
    """Those that fire, from their start to the end of the test."""

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        self.asked.append((query, at))
        if ALERTS in query:
            return firing(self.alerts, at)
        return answer(query, at, self.traffic)

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        """Nothing is known of the time before a test."""
        return ()
