"""The hub with a scripted Prometheus and a clock that stands still: when it asks, what it asks, and who gets what."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from modelrollout.adapters.families import Family
from modelrollout.adapters.prometheus import History, PrometheusUnavailable, Series
from modelrollout.adapters.queries import PodSelector, family, query
from modelrollout.api.gates import Signal
from modelrollout.api.serving import Server
from modelrollout.runtime.hub import MetricsHub, Subscription
from modelrollout.runtime.queue import Key
from tests.clock import START, ManualClock, settle

ERRORS = family(Server.MLSERVER, Signal.ERRORS)
LATENCY = family(Server.MLSERVER, Signal.LATENCY)
FRAUD, CHURN = ("a", "fraud"), ("b", "churn")
FRAUD_POD, CHURN_POD = "fraud-0123456789-7d9x-abcde", "churn-0123456789-7d9x-abcde"


def errors(namespace: str, pod: str, **codes: float) -> list[Series]:
    return [
        Series({"namespace": namespace, "pod": pod, "status_code": code.removeprefix("c")}, value)
        for code, value in codes.items()
    ]


@dataclass
class Script:
    """Answers by family; `delay` seconds of the test's clock pass before each."""

    clock: ManualClock
    series: dict[str, list[Series] | PrometheusUnavailable] = field(default_factory=dict)
    delay: float = 0.0
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        self.asked.append((query, at))
        await self.clock.sleep(self.delay)
        answer: list[Series] | PrometheusUnavailable = next(
            (series for metric, series in self.series.items() if metric in query), []
        )
        if isinstance(answer, PrometheusUnavailable):
            raise answer
        return tuple(answer)

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        raise AssertionError("the hub asks about single moments")

    @property
    def times(self) -> list[float]:
        """When it was asked about, in seconds after the start of the test's clock."""
        return [(at - START).total_seconds() for _, at in self.asked]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def source(clock: ManualClock) -> Script:
    return Script(clock)


@pytest.fixture
def woken() -> list[Key]:
    return []


@pytest.fixture
def results() -> list[str]:
    return []


@pytest.fixture
async def hub(source: Script, clock: ManualClock, woken: list[Key], results: list[str]) -> AsyncIterator[MetricsHub]:
    hub = MetricsHub(source, clock, woken.append, on_query=results.append)
    running = asyncio.create_task(hub.run())
    yield hub
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled(), "the loop ended by itself"


def wants(key: Key, *families: Family, every: float = 5.0) -> Subscription:
    return Subscription(interval_seconds=every, selector=PodSelector(*key), families=frozenset(families or {ERRORS}))


async def test_without_subscriptions_nothing_is_asked_and_nothing_turns(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    await clock.run(3600)
    assert source.asked == []
    assert clock.sleepers == 0


async def test_instants_are_whole_multiples_and_the_time_lies_a_little_before(
    hub: MetricsHub, source: Script, clock: ManualClock, woken: list[Key]
) -> None:
    await clock.run(2)
    hub.subscribe(FRAUD, wants(FRAUD))
    assert hub.latest(FRAUD) is None
    await clock.run(2.9)
    assert source.asked == []
    await clock.run(0.1)
    assert source.times == [4.5]
    assert woken == [FRAUD]
    tick = hub.latest(FRAUD)
    assert tick is not None
    assert tick.at == START + timedelta(seconds=4.5)
    await clock.run(10)
    assert source.times == [4.5, 9.5, 14.5]
    assert woken == [FRAUD] * 3


async def test_one_query_per_family_for_all_who_are_due(hub: MetricsHub, source: Script, clock: ManualClock) -> None:
    keys = [("ns", f"model-{index}") for index in range(60)]
    for key in keys:
        hub.subscribe(key, wants(key, ERRORS, LATENCY))
    await clock.run(5)
    selectors = [PodSelector(*key) for key in keys]
    assert {text for text, _ in source.asked} == {query(ERRORS, selectors), query(LATENCY, selectors)}
    assert len(source.asked) == hub.queries == 2


async def test_each_gets_its_own_pods_and_no_others(hub: MetricsHub, source: Script, clock: ManualClock) -> None:
    source.series[ERRORS.metric] = [
        *errors("a", FRAUD_POD, c200=90, c500=10),
        *errors("a", "fraud-abcdefabcd-7d9x-abcde", c200=7),
        *errors("b", CHURN_POD, c200=5),
        *errors("a", CHURN_POD, c200=999),
        *errors("a", "fraud-eu-0123456789-7d9x-abcde", c200=999),
        Series({}, 999.0),
    ]
    source.series[LATENCY.metric] = [Series({"namespace": "a", "pod": FRAUD_POD, "le": "+Inf"}, 100.0)]
    hub.subscribe(FRAUD, wants(FRAUD, ERRORS, LATENCY))
    hub.subscribe(CHURN, wants(CHURN, ERRORS))
    await clock.run(5)
    fraud, churn = hub.latest(FRAUD), hub.latest(CHURN)
    assert fraud is not None
    assert churn is not None
    assert fraud.unavailable is churn.unavailable is None
    assert fraud.readings == {
        ERRORS: {
            ("a", FRAUD_POD): {"200": 90.0, "500": 10.0},
            ("a", "fraud-abcdefabcd-7d9x-abcde"): {"200": 7.0},
        },
        LATENCY: {("a", FRAUD_POD): {"+Inf": 100.0}},
    }
    assert churn.readings == {ERRORS: {("b", CHURN_POD): {"200": 5.0}}}


async def test_no_series_is_an_empty_reading_and_not_a_failure(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    hub.subscribe(FRAUD, wants(FRAUD))
    await clock.run(5)
    tick = hub.latest(FRAUD)
    assert tick is not None
    assert (tick.readings, tick.unavailable) == ({ERRORS: {}}, None)


async def test_a_family_that_fails_concerns_those_who_need_it(
    hub: MetricsHub, source: Script, clock: ManualClock, woken: list[Key], results: list[str]
) -> None:
    source.series[LATENCY.metric] = PrometheusUnavailable("HTTP 503: starting")
    source.series[ERRORS.metric] = errors("a", FRAUD_POD, c200=1)
    hub.subscribe(FRAUD, wants(FRAUD, ERRORS, LATENCY))
    hub.subscribe(CHURN, wants(CHURN, ERRORS))
    await clock.run(5)
    fraud, churn = hub.latest(FRAUD), hub.latest(CHURN)
    assert fraud is not None
    assert churn is not None
    assert fraud.unavailable == "latency: HTTP 503: starting"
    assert fraud.readings == {ERRORS: {("a", FRAUD_POD): {"200": 1.0}}}
    assert churn.unavailable is None
    assert set(woken) == {FRAUD, CHURN}
    assert sorted(results) == ["success", "unavailable"]
    del source.series[LATENCY.metric]
    await clock.run(5)
    again = hub.latest(FRAUD)
    assert again is not None
    assert again.unavailable is None


async def test_one_part_of_a_split_question_that_fails_makes_the_family_fail(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    keys = [("ns", f"a-rather-long-name-{index:04d}") for index in range(400)]
    for key in keys:
        hub.subscribe(key, wants(key))
    source.series["0399"] = PrometheusUnavailable("too much")
    await clock.run(5)
    assert len(source.asked) > 1
    assert {tick.unavailable for key in keys if (tick := hub.latest(key))} == {"errors: too much"}
    assert len(set(source.times)) == 1, "all parts ask about the same time"


async def test_different_intervals_share_the_instants_that_they_have_in_common(
    hub: MetricsHub, source: Script, clock: ManualClock, woken: list[Key]
) -> None:
    hub.subscribe(FRAUD, wants(FRAUD, every=5))
    hub.subscribe(CHURN, wants(CHURN, every=10))
    await clock.run(20)
    assert source.times == [4.5, 9.5, 14.5, 19.5]
    assert woken == [FRAUD, FRAUD, CHURN, FRAUD, FRAUD, CHURN]
    assert hub.queries == 4


async def test_a_slow_answer_skips_instants_and_starves_nobody(
    hub: MetricsHub, source: Script, clock: ManualClock, woken: list[Key]
) -> None:
    source.delay = 2.5
    hub.subscribe(FRAUD, wants(FRAUD, every=1))
    hub.subscribe(CHURN, wants(CHURN, every=5))
    await clock.run(7.4)
    # Asked at 1 (until 3.5), 4 (until 6.5) and 7: the instant 5 of the slower one was missed, so 7 is its turn too.
    assert source.times == [0.5, 3.5, 6.5]
    assert [CHURN[1] in text for text, _ in source.asked] == [False, False, True]
    await clock.run(2.2)
    assert woken == [FRAUD, FRAUD, FRAUD, CHURN]
    source.delay = 0.0
    await clock.run(10)
    assert woken.count(CHURN) == 3, "and it is back at its own instants, 10 and 15"


async def test_an_answer_that_takes_longer_than_the_interval_does_not_make_rounds_pile_up(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    source.delay = 12.0
    hub.subscribe(FRAUD, wants(FRAUD))
    await clock.run(60)
    assert source.times == [4.5, 19.5, 34.5, 49.5]


async def test_who_comes_while_others_wait_changes_the_next_instant(
    hub: MetricsHub, source: Script, clock: ManualClock, woken: list[Key]
) -> None:
    hub.subscribe(FRAUD, wants(FRAUD, every=60))
    await clock.run(1)
    hub.subscribe(CHURN, wants(CHURN, every=2))
    await clock.run(1)
    assert woken == [CHURN]
    hub.unsubscribe(CHURN)
    await clock.run(57)
    assert woken == [CHURN]
    await clock.run(1)
    assert woken == [CHURN, FRAUD]


async def test_after_the_last_one_has_left_nothing_is_asked(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    hub.subscribe(FRAUD, wants(FRAUD))
    await clock.run(5)
    hub.unsubscribe(FRAUD)
    hub.unsubscribe(FRAUD)
    assert hub.latest(FRAUD) is None
    await clock.run(60)
    assert source.times == [4.5]
    assert clock.sleepers == 0


async def test_the_same_subscription_again_changes_nothing(hub: MetricsHub, source: Script, clock: ManualClock) -> None:
    hub.subscribe(FRAUD, wants(FRAUD))
    await clock.run(5)
    hub.subscribe(FRAUD, wants(FRAUD))
    assert hub.latest(FRAUD) is not None
    await clock.run(4)
    assert source.times == [4.5]


async def test_another_subscription_takes_the_place_of_the_first(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    hub.subscribe(FRAUD, wants(FRAUD, ERRORS))
    await clock.run(5)
    hub.subscribe(FRAUD, wants(FRAUD, LATENCY, every=2))
    assert hub.latest(FRAUD) is None, "the old tick lacks what is wanted now"
    await clock.run(1)
    assert [LATENCY.metric in text for text, _ in source.asked] == [False, True]


@pytest.mark.parametrize("replaced", [True, False])
async def test_an_answer_for_one_who_left_meanwhile_is_dropped(
    hub: MetricsHub, source: Script, clock: ManualClock, woken: list[Key], replaced: bool
) -> None:
    source.delay = 1.0
    hub.subscribe(FRAUD, wants(FRAUD))
    await clock.run(5.5)
    hub.unsubscribe(FRAUD)
    if replaced:
        hub.subscribe(FRAUD, wants(FRAUD))
    await clock.run(1)
    assert woken == []
    assert hub.latest(FRAUD) is None


async def test_wall_time_that_is_set_back_stops_nothing(
    hub: MetricsHub, source: Script, clock: ManualClock, woken: list[Key]
) -> None:
    hub.subscribe(FRAUD, wants(FRAUD))
    await clock.run(10)
    clock.set_wall(START - timedelta(hours=1))
    await clock.run(10)
    assert len(woken) == 4


async def test_the_past_is_asked_about_at_its_own_time(hub: MetricsHub, source: Script, clock: ManualClock) -> None:
    past = datetime(2026, 11, 24, 11, 58, 59, 500_000, tzinfo=UTC)
    source.series[ERRORS.metric] = errors("a", FRAUD_POD, c200=3)
    asked = asyncio.create_task(hub.at(wants(FRAUD), past))
    await clock.run(1)
    tick = await asked
    assert (tick.at, tick.unavailable) == (past, None)
    assert tick.readings == {ERRORS: {("a", FRAUD_POD): {"200": 3.0}}}
    assert [at for _, at in source.asked] == [past]
    assert hub.latest(FRAUD) is None


async def test_many_questions_about_one_time_are_one(hub: MetricsHub, source: Script, clock: ManualClock) -> None:
    source.series[ERRORS.metric] = [*errors("a", FRAUD_POD, c200=3), *errors("b", CHURN_POD, c200=4)]
    earlier = START - timedelta(seconds=5)
    asked = [
        asyncio.create_task(hub.at(wants(FRAUD), START)),
        asyncio.create_task(hub.at(wants(CHURN), START)),
        asyncio.create_task(hub.at(wants(CHURN), earlier)),
        asyncio.create_task(hub.at(wants(FRAUD), START)),
    ]
    await settle()
    asked[3].cancel()
    await clock.run(1)
    fraud, churn, before = [await one for one in asked[:3]]
    assert fraud.readings == {ERRORS: {("a", FRAUD_POD): {"200": 3.0}}}
    assert churn.readings == before.readings == {ERRORS: {("b", CHURN_POD): {"200": 4.0}}}
    assert before.at == earlier
    assert hub.queries == 2
    again = asyncio.create_task(hub.at(wants(FRAUD), START))
    await clock.run(1)
    await again
    assert hub.queries == 3


async def test_a_past_that_cannot_be_had_is_unavailable(hub: MetricsHub, source: Script, clock: ManualClock) -> None:
    source.series[ERRORS.metric] = PrometheusUnavailable("gone")
    asked = asyncio.create_task(hub.at(wants(FRAUD), START))
    await clock.run(1)
    assert (await asked).unavailable == "errors: gone"


async def test_a_fault_of_the_source_reaches_all_who_wait(
    hub: MetricsHub, source: Script, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(query: str, at: datetime) -> tuple[Series, ...]:
        raise ZeroDivisionError

    monkeypatch.setattr(source, "instant", broken)
    asked = [asyncio.create_task(hub.at(wants(FRAUD), START)) for _ in range(2)]
    await clock.run(1)
    assert [type(error) for error in await asyncio.gather(*asked, return_exceptions=True)] == [ZeroDivisionError] * 2
    monkeypatch.undo()
    again = asyncio.create_task(hub.at(wants(FRAUD), START))
    await clock.run(1)
    assert (await again).unavailable is None


MINE = "sum by (pod) (mine)"


async def test_questions_of_users_are_asked_at_the_same_time_and_once_for_all_who_have_them(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    source.series["mine"] = [Series({"pod": FRAUD_POD}, 7)]
    for key in (FRAUD, CHURN):
        hub.subscribe(key, replace(wants(key), questions=frozenset({MINE})))
    await clock.run(5)
    assert sorted(text for text, _ in source.asked) == sorted(
        [MINE, query(ERRORS, [PodSelector(*FRAUD), PodSelector(*CHURN)])]
    )
    assert len({at for _, at in source.asked}) == 1
    for key in (FRAUD, CHURN):
        tick = hub.latest(key)
        assert tick is not None
        assert tick.answers == {MINE: (Series({"pod": FRAUD_POD}, 7),)}


async def test_a_question_that_is_refused_leaves_all_else_readable(
    hub: MetricsHub, source: Script, clock: ManualClock
) -> None:
    source.series["mine"] = PrometheusUnavailable("HTTP 400: parse error")
    hub.subscribe(FRAUD, replace(wants(FRAUD), questions=frozenset({MINE})))
    hub.subscribe(CHURN, wants(CHURN))
    await clock.run(5)
    mine, other = hub.latest(FRAUD), hub.latest(CHURN)
    assert mine is not None
    assert other is not None
    assert (mine.unavailable, mine.answers) == (None, {MINE: "HTTP 400: parse error"})
    assert other.answers == {}
