"""Alerts by the hub: one query for all, none for nobody, and whose they are; Alertmanager has the last word."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from modelrollout.adapters.alertmanager import AlertmanagerUnavailable
from modelrollout.adapters.prometheus import History, PrometheusUnavailable, Series
from modelrollout.adapters.queries import PodSelector
from modelrollout.plan.alerts import Firing, Selector
from modelrollout.runtime.hub import MetricsHub, Subscription
from modelrollout.runtime.queue import Key
from tests.builders import firing
from tests.clock import START, ManualClock, settle
from tests.faults.controllers import cancelled

PAGES = Selector(equal=(("severity", "page"),))
TICKETS = Selector(equal=(("severity", "ticket"),))


@dataclass
class Script:
    alerts: list[Firing] = field(default_factory=list)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        self.asked.append(query)
        if self.down:
            raise PrometheusUnavailable("down")
        return tuple(Series(alert.labels, alert.starts_at.timestamp()) for alert in self.alerts)

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        raise AssertionError("the hub asks about single moments")


@dataclass
class ScriptedAlertmanager:
    """What is active; None is one that cannot be reached."""

    active_ones: tuple[Firing, ...] | None = ()
    asked: list[Selector] = field(default_factory=list)

    async def active(self, selector: Selector) -> tuple[Firing, ...]:
        self.asked.append(selector)
        if self.active_ones is None:
            raise AlertmanagerUnavailable("no answer")
        return self.active_ones


@dataclass
class World:
    clock: ManualClock = field(default_factory=ManualClock)
    source: Script = field(default_factory=Script)
    alertmanager: ScriptedAlertmanager | None = None
    woken: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hub = MetricsHub(self.source, self.clock, self.woken.append, alertmanager=self.alertmanager)

    def follow(self, key: Key, *selectors: Selector, reads: bool = False) -> None:
        self.hub.subscribe(
            key, Subscription(5.0, PodSelector(*key), frozenset(), alerts=frozenset(selectors), reads=reads)
        )

    async def __aenter__(self) -> "World":
        self._task = asyncio.create_task(self.hub.run())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancelled(self._task)

    def seen(self, key: Key) -> tuple[Firing, ...]:
        tick = self.hub.latest(key)
        return tick.firing if tick is not None else ()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as made:
        yield made


FRAUD, CHURN, CREDIT = ("payments", "fraud"), ("growth", "churn"), ("payments", "credit")


async def test_one_query_a_tick_for_all_and_none_for_those_without_policies(world: World) -> None:
    world.follow(("growth", "none"), reads=True)
    await world.clock.run(60)
    assert world.source.asked == []
    for number in range(50):
        world.follow((f"team-{number}", "model"), PAGES)
    await world.clock.run(60)
    assert len(world.source.asked) == 12


async def test_each_gets_what_it_names_and_what_can_be_in_its_namespace(world: World) -> None:
    own, elsewhere, nowhere, ticket = (
        firing("Own"),
        firing("Elsewhere", namespace="lending"),
        firing("Nowhere", namespace=None),
        firing("Ticket", severity="ticket"),
    )
    world.source.alerts = [own, elsewhere, nowhere, ticket]
    world.follow(FRAUD, PAGES)
    world.follow(CREDIT, PAGES, TICKETS)
    world.follow(CHURN, PAGES)
    await world.clock.run(5)
    assert [alert.name for alert in world.seen(FRAUD)] == ["Own", "Nowhere"]
    assert {alert.name for alert in world.seen(CREDIT)} == {"Own", "Nowhere", "Ticket"}
    assert [alert.name for alert in world.seen(CHURN)] == ["Nowhere"]


async def test_who_wants_alerts_alone_is_woken_by_one_and_not_by_ticks(world: World) -> None:
    world.follow(FRAUD, PAGES)
    world.follow(CHURN, PAGES, reads=True)
    await world.clock.run(20)
    assert set(world.woken) == {CHURN}
    world.woken.clear()
    world.source.alerts = [firing()]
    await world.clock.run(5)
    assert world.woken == [FRAUD, CHURN]


async def test_an_answer_that_does_not_come_tells_of_no_alert_and_spoils_no_reading(world: World) -> None:
    world.source.down = True
    world.follow(FRAUD, PAGES, reads=True)
    await world.clock.run(5)
    tick = world.hub.latest(FRAUD)
    assert tick is not None
    assert (tick.firing, tick.unavailable) == ((), None)


async def test_what_is_silenced_does_not_fire() -> None:
    sent = Firing(firing().labels, START)
    async with World(alertmanager=ScriptedAlertmanager(active_ones=())) as world:
        assert world.alertmanager is not None
        world.follow(FRAUD, PAGES, TICKETS)
        await world.clock.run(10)
        assert world.alertmanager.asked == [], "nothing fires: there is nothing to ask about"
        world.source.alerts = [firing()]
        await world.clock.run(5)
        assert (world.seen(FRAUD), world.alertmanager.asked) == ((), [PAGES])
        world.alertmanager.active_ones = (sent,)
        await world.clock.run(5)
        assert world.seen(FRAUD) == (sent,), "with the start that Alertmanager tells"


async def test_where_alertmanager_is_away_the_word_of_prometheus_stands() -> None:
    async with World(alertmanager=ScriptedAlertmanager(active_ones=None)) as world:
        world.follow(FRAUD, PAGES)
        world.source.alerts = [firing()]
        await world.clock.run(5)
        assert [alert.name for alert in world.seen(FRAUD)] == ["Errors"]
