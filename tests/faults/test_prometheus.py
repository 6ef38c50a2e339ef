"""A Prometheus that fails in the middle of a canary: nothing is decided, and afterwards the rollout goes on.

The client and the wire are real, time is not: it waits while a question is under way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from modelrollout.adapters.prometheus import History, PrometheusSource, Series
from tests.builders import id_of
from tests.clock import settle
from tests.faults import web_prometheus
from tests.faults.controllers import CRASH_LOOP
from tests.faults.scenarios import BAD_ONE, GOOD, Scenario
from tests.faults.web_prometheus import Fault, WebPrometheus
from tests.faults.world import World

READ_TIMEOUT_SECONDS = 0.2

OUTAGES: dict[str, tuple[Fault, str]] = {
    "refusing": (web_prometheus.refusing, "MetricsUnavailable"),
    "cut": (web_prometheus.cut, "MetricsUnavailable"),
    "broken": (web_prometheus.broken, "MetricsUnavailable"),
    "incomplete": (web_prometheus.incomplete, "MetricsUnavailable"),
    "empty": (web_prometheus.empty, "MetricsUnavailable"),
    "not-a-number": (web_prometheus.not_a_number, "MetricsUnavailable"),
}


class Counted:
    """Tells how many questions are under way."""

    def __init__(self, source: PrometheusSource) -> None:
        self._source = source
        self.under_way = 0

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        self.under_way += 1
        try:
            return await self._source.instant(query, at)
        finally:
            self.under_way -= 1

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        self.under_way += 1
        try:
            return await self._source.range(query, begin=begin, end=end, step_seconds=step_seconds)
        finally:
            self.under_way -= 1


class WiredWorld(World):
    """A world whose Prometheus is behind HTTP."""

    def __init__(self) -> None:
        super().__init__()
        self.web = WebPrometheus(self.traffic)

    async def run(self, seconds: float) -> None:
        assert isinstance(self.source, Counted)
        for _ in range(round(seconds / 0.25)):
            await super().run(0.25)
            while self.source.under_way:
                await asyncio.sleep(0.001)
                await settle()


@asynccontextmanager
async def wired() -> AsyncIterator[WiredWorld]:
    async with WiredWorld() as world, world.web:
        source = PrometheusSource(world.web.url, world.clock, read_timeout_seconds=READ_TIMEOUT_SECONDS)
        async with source:
            world.source = Counted(source)
            yield world


async def _to_the_canary(scenario: Scenario, world: WiredWorld, *, weight: int = 10) -> None:
    await scenario.begin(world)
    world.apply(scenario.new)
    await world.until(lambda: world.status().get("weight") == weight, within=60, step=0.25)


@pytest.mark.parametrize("scenario", [GOOD, BAD_ONE], ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("outage", list(OUTAGES))
async def test_an_outage_holds_and_then_the_rollout_goes_on(scenario: Scenario, outage: str) -> None:
    fault, reason = OUTAGES[outage]
    async with wired() as world:
        await _to_the_canary(scenario, world)
        world.web.fault = fault
        await world.run(20)
        assert (world.status()["stage"], world.status()["weight"]) == ("Canary", 10)
        assert world.weight(scenario.new) == 10
        if scenario is GOOD:
            assert world.condition("Reconciling")["reason"] == reason
        world.web.fault = web_prometheus.healthy
        await world.until(lambda: scenario.has_ended(world), within=120)


@pytest.mark.parametrize("outage", list(OUTAGES))
async def test_the_last_step_is_not_passed_by_time_alone(outage: str) -> None:
    """The evidence is good already when the last weight begins, and nothing is ever heard of that weight."""
    async with wired() as world:
        await _to_the_canary(GOOD, world, weight=50)
        world.web.fault = OUTAGES[outage][0]
        await world.run(20)
        assert (world.status()["stage"], world.status()["weight"]) == ("Canary", 50)
        world.web.fault = web_prometheus.healthy
        await world.until(lambda: GOOD.has_ended(world), within=120)


async def test_answers_that_come_too_late_count_as_none() -> None:
    async with wired() as world:
        await _to_the_canary(GOOD, world)
        world.web.delay_seconds = 3 * READ_TIMEOUT_SECONDS
        await world.run(8)
        assert (world.status()["stage"], world.status()["weight"]) == ("Canary", 10)
        assert world.condition("Reconciling")["reason"] == "MetricsUnavailable"
        assert "no answer within" in world.condition("Reconciling")["message"]
        world.web.delay_seconds = 0
        await world.until(lambda: GOOD.has_ended(world), within=120)


@pytest.mark.parametrize("scenario", [GOOD, BAD_ONE], ids=lambda scenario: scenario.name)
async def test_series_that_come_twice_count_once(scenario: Scenario) -> None:
    async with wired() as world:
        world.web.fault = web_prometheus.duplicated
        await scenario.begin(world)
        world.apply(scenario.new)
        await world.until(lambda: scenario.has_ended(world), within=120)


async def test_what_was_missed_is_counted_afterwards_and_only_once() -> None:
    async with wired() as world:
        await _to_the_canary(GOOD, world)
        world.web.fault = web_prometheus.refusing
        await world.run(20)
        world.web.fault = web_prometheus.healthy
        await world.until(lambda: GOOD.has_ended(world), within=120)
        last = world.revision(GOOD.new)["status"]["decisions"][-2]["gates"][0]
        evidence = next(iter(world.watchdog.last_evidence.values()))
        served = world.traffic.served(id_of(GOOD.new), evidence.evaluated_at)
        assert served - last["candidate"]["requests"] < 2 * world.traffic.requests_per_second


async def test_a_dead_prometheus_is_not_waited_for_by_a_crash_loop() -> None:
    async with wired() as world:
        await _to_the_canary(GOOD, world)
        world.web.fault = web_prometheus.refusing
        await world.run(5)
        world.controllers.trouble(id_of(GOOD.new), CRASH_LOOP)
        await world.clock.run(3)
        assert world.weight(GOOD.new) == 0
        assert world.condition("RolledBack")["reason"] == "CrashLoop"


async def test_a_dead_prometheus_at_a_restart_does_not_hide_harm_that_is_on_record() -> None:
    """The evidence of a failing candidate is written, the process dies before it rolls back, and Prometheus is gone."""
    async with wired() as world:
        await _to_the_canary(BAD_ONE, world)

        def dies_before_the_rollback(request: object, moment: object) -> None:
            state = world.revision(BAD_ONE.new)["status"]["state"]
            if state == "RolledBack":
                world.lines[-1].die()

        world.meddle = dies_before_the_rollback
        await world.until(lambda: world.lines[-1].is_dead, within=60, step=0.25)
        assert world.status()["stage"] == "Canary"
        await world.end(world.processes[0])
        world.meddle = lambda *_: None
        world.web.fault = web_prometheus.refusing
        await world.start()
        await world.until(lambda: BAD_ONE.has_ended(world), within=60)
