"""One question for all rollouts: the counters of every family, at instants that all of them share.

A rollout subscribes while it wants readings. Instants are the whole multiples of its interval in wall time, so that all
rollouts with the same interval fall on the same ones; at each instant one query per family reads the counters of all
that are due, split only where a URL would grow too long. The cost of a tick is the number of families, not of rollouts,
and with no subscription nothing is asked and nothing turns.

A tick asks for a time a little before its instant, because a scrape that has begun becomes visible only when it ends;
asking for that same time again later (`at`) gives the same numbers, which is how a restart finds its place.

Queries that users bring are asked at the same time as all else. They are each rollout's own, so they cost one query a
tick for each part of each such gate and version; two rollouts with the same text share one. One that is refused makes
its gate unreadable and no other.

Alerts are asked for in the same round, with one query for all who have policies (`runtime.firing`). Who wants nothing
else is woken only when one fires.

Rounds never overlap and never pile up: when an answer took longer than an interval, the instants in between are
skipped. Whoever missed one of its own is part of the next round, whosever instant that is.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.families import Family
from modelrollout.adapters.prometheus import MetricsSource, PrometheusUnavailable, Series
from modelrollout.adapters.queries import PodSelector, pod_of, selectors_of, split
from modelrollout.adapters.tracing import NO_TRACER, Tracer
from modelrollout.plan.alerts import Firing, Selector
from modelrollout.runtime import firing
from modelrollout.runtime.firing import ActiveAlerts, Alerts
from modelrollout.runtime.queue import Key
from modelrollout.runtime.traced import told

LAG_SECONDS = 0.5
GATHER_SECONDS = 0.05
"""How long a question about the past waits for others about the same time: after a restart there are many at once."""

Pod = tuple[str, str]
Readings = Mapping[Family, Mapping[Pod, Mapping[str, float]]]
OnQuery = Callable[[str], None]
"""Called after each query with its result, `"success"` or `"unavailable"`."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """`reads` is false for who wants to know of alerts alone."""

    interval_seconds: float
    selector: PodSelector
    families: frozenset[Family]
    questions: frozenset[str] = frozenset()
    alerts: frozenset[Selector] = frozenset()
    reads: bool = True


@dataclass(frozen=True, slots=True)
class Tick:
    """Cumulative counters of one rollout's pods as of `at`: family → (namespace, pod) → label value → value.

    `unavailable` says why a family could not be read; that family is then missing in `readings`. A family that was
    read and has no series is there and empty. `answers` holds the series of each question, or why there are none.
    `firing` are the alerts that it asked for, as far as they can be told.
    """

    at: datetime
    readings: Readings
    unavailable: str | None = None
    answers: Mapping[str, tuple[Series, ...] | str] = field(default_factory=dict)
    firing: tuple[Firing, ...] = ()


@dataclass(slots=True)
class _Subscriber:
    subscription: Subscription
    asked_at: float  # the latest of its instants that it need not be asked for any more, as a Unix time
    latest: Tick | None = None


@dataclass(frozen=True, slots=True)
class _Past:
    """Who asked for the counters at one time of the past, and the ticks for them, in their order."""

    subscriptions: list[Subscription]
    ticks: asyncio.Task[list[Tick]]


class MetricsHub:
    """For one event loop. `queries` counts what was asked of Prometheus."""

    def __init__(
        self,
        source: MetricsSource,
        clock: Clock,
        wake: Callable[[Key], None],
        *,
        on_query: OnQuery = lambda _: None,
        alertmanager: ActiveAlerts | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._source = source
        self._clock = clock
        self._wake = wake
        self._on_query = on_query
        self._alertmanager = alertmanager
        self._tracer = tracer
        self._subscribers: dict[Key, _Subscriber] = {}
        self._changed = asyncio.Event()
        self._pasts: dict[datetime, _Past] = {}
        self._under_way: set[asyncio.Task[list[Tick]]] = set()
        self.queries = 0

    def subscribe(self, key: Key, subscription: Subscription) -> None:
        """Have a tick at each instant from now on. Again with the same: nothing changes."""
        present = self._subscribers.get(key)
        if present is not None and present.subscription == subscription:
            return
        asked_at = _instant_before(self._clock.now().timestamp(), subscription.interval_seconds)
        self._subscribers[key] = _Subscriber(subscription, asked_at)
        self._changed.set()

    def has(self, key: Key) -> bool:
        """Whether it has subscribed, to whatever."""
        return key in self._subscribers

    def unsubscribe(self, key: Key) -> None:
        if self._subscribers.pop(key, None) is not None:
            self._changed.set()

    def latest(self, key: Key) -> Tick | None:
        subscriber = self._subscribers.get(key)
        return subscriber.latest if subscriber is not None else None

    async def at(self, subscription: Subscription, time: datetime) -> Tick:
        """The counters as of `time`; those who ask for the same time at once are answered by the same queries."""
        past = self._pasts.get(time) or self._open(time)
        place = len(past.subscriptions)
        past.subscriptions.append(subscription)
        # Shielded: the one who gives up must not take the answer from the others.
        return (await asyncio.shield(past.ticks))[place]

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await self._wait_for_an_instant()
            await self._tick()

    async def _wait_for_an_instant(self) -> None:
        """Returns at the next instant of anybody; who comes or goes meanwhile is taken into account."""
        while True:
            self._changed.clear()
            if not self._subscribers:
                await self._changed.wait()
                continue
            now = self._clock.now().timestamp()
            instant = min(_instant_after(now, interval) for interval in self._intervals())
            if not await self._changes_within(instant - now):
                return

    async def _changes_within(self, seconds: float) -> bool:
        """Wait so long, or until somebody subscribes or unsubscribes; whether somebody did."""
        loop = asyncio.get_running_loop()
        waits = [loop.create_task(self._clock.sleep(seconds)), loop.create_task(self._changed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)
        return self._changed.is_set()

    def _intervals(self) -> set[float]:
        return {subscriber.subscription.interval_seconds for subscriber in self._subscribers.values()}

    async def _tick(self) -> None:
        # The instant that was waited for; a clock that wakes a moment early must not make it the one before.
        now = self._clock.now().timestamp() + 0.01
        instants = {interval: _instant_before(now, interval) for interval in self._intervals()}
        due = {
            key: subscriber
            for key, subscriber in self._subscribers.items()
            # Not "later than": after wall time was set back, every instant is a new one.
            if instants[subscriber.subscription.interval_seconds] != subscriber.asked_at
        }
        if not due:
            return
        for subscriber in due.values():
            subscriber.asked_at = instants[subscriber.subscription.interval_seconds]
        at = datetime.fromtimestamp(max(instants.values()) - LAG_SECONDS, UTC)
        with self._tracer.span("tick", rollouts=len(due), read_at=told(at)):
            ticks = await self._read([subscriber.subscription for subscriber in due.values()], at)
        for (key, subscriber), tick in zip(due.items(), ticks, strict=True):
            # Who left meanwhile, or wants something else now, has no use for this answer.
            if self._subscribers.get(key) is subscriber:
                subscriber.latest = tick
                if tick.firing or subscriber.subscription.reads:
                    self._wake(key)

    def _open(self, time: datetime) -> _Past:
        subscriptions: list[Subscription] = []
        ticks = asyncio.get_running_loop().create_task(self._read_past(subscriptions, time))
        self._under_way.add(ticks)
        ticks.add_done_callback(self._under_way.discard)
        past = self._pasts[time] = _Past(subscriptions, ticks)
        return past

    async def _read_past(self, subscriptions: Sequence[Subscription], time: datetime) -> list[Tick]:
        try:
            await self._clock.sleep(GATHER_SECONDS)
        finally:
            del self._pasts[time]  # whoever comes now begins a new round
        return await self._read(subscriptions, time)

    async def _read(self, subscriptions: Sequence[Subscription], at: datetime) -> list[Tick]:
        """One tick for each, in their order."""
        wanted: dict[Family, set[PodSelector]] = defaultdict(set)
        for subscription in subscriptions:
            for family in subscription.families:
                wanted[family].add(subscription.selector)
        families = list(wanted)
        questions = sorted({question for subscription in subscriptions for question in subscription.questions})
        selectors = {selector for subscription in subscriptions for selector in subscription.alerts}
        answers, told, alerts = await asyncio.gather(
            asyncio.gather(*(self._ask(family, wanted[family], at) for family in families)),
            asyncio.gather(*(self._query(question, at) for question in questions)),
            firing.ask(selectors, at, prometheus=self._query, alertmanager=self._alertmanager),
        )
        answered = dict(zip(questions, told, strict=True))
        found: dict[Family, _OfSelectors] = {}
        failed: dict[Family, str] = {}
        for family, answer in zip(families, answers, strict=True):
            if isinstance(answer, str):
                failed[family] = answer
            else:
                found[family] = _by_selector(family, wanted[family], answer)
        told_of = alerts if not isinstance(alerts, str) else {}
        return [_tick_of(subscription, at, found, failed, answered, told_of) for subscription in subscriptions]

    async def _ask(self, family: Family, selectors: Iterable[PodSelector], at: datetime) -> list[Series] | str:
        """The series of a family, or why there are none: a part of the answer is no answer."""
        answers = await asyncio.gather(*(self._query(query, at) for query in split(family, selectors)))
        failures = [answer for answer in answers if isinstance(answer, str)]
        if failures:
            return failures[0]
        return [series for answer in answers for series in answer if not isinstance(series, str)]

    async def _query(self, query: str, at: datetime) -> tuple[Series, ...] | str:
        self.queries += 1
        try:
            series = await self._source.instant(query, at)
        except PrometheusUnavailable as error:
            self._on_query("unavailable")
            return error.reason
        self._on_query("success")
        return series


_OfSelectors = dict[PodSelector, dict[Pod, dict[str, float]]]


def _by_selector(family: Family, selectors: Iterable[PodSelector], series: Iterable[Series]) -> _OfSelectors:
    """Each one's own pods. A query also gives pods that nobody asked for, and queries that were split may overlap."""
    found: _OfSelectors = {selector: {} for selector in selectors}
    owners: dict[Pod, list[dict[str, float]]] = {}
    for one in series:
        pod = pod_of(family, one.labels)
        if pod not in owners:
            claims = (found.get(selector) for selector in selectors_of(family, one.labels))
            owners[pod] = [pods.setdefault(pod, {}) for pods in claims if pods is not None]
        for values in owners[pod]:
            values[one.labels.get(family.by, "") if family.by else ""] = one.value
    return found


def _tick_of(
    subscription: Subscription,
    at: datetime,
    found: Mapping[Family, _OfSelectors],
    failed: Mapping[Family, str],
    answered: Mapping[str, tuple[Series, ...] | str],
    alerts: Alerts,
) -> Tick:
    wrong = sorted({f"{family.name}: {failed[family]}" for family in subscription.families if family in failed})
    readings = {family: found[family][subscription.selector] for family in subscription.families if family in found}
    answers = {question: answered[question] for question in subscription.questions}
    return Tick(
        at=at,
        readings=readings,
        unavailable="; ".join(wrong) or None,
        answers=answers,
        firing=firing.of(alerts, subscription.alerts, subscription.selector.namespace),
    )


def _instant_before(time: float, interval: float) -> float:
    """The last whole multiple up to and including `time`."""
    return math.floor(time / interval) * interval


def _instant_after(time: float, interval: float) -> float:
    return _instant_before(time, interval) + interval
