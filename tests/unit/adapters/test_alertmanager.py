"""What is asked of Alertmanager, and that whatever goes wrong is one error and soon over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelrollout.adapters import alertmanager
from modelrollout.adapters.alertmanager import Alertmanager, AlertmanagerUnavailable
from modelrollout.plan.alerts import Selector
from tests.clock import ManualClock

SELECTOR = Selector(equal=(("severity", "page"), ("team", 'a "b" \\ c')), matching=(("alertname", "Fraud.*"),))
LABELS = {"severity": "page", "team": 'a "b" \\ c', "alertname": "FraudErrors"}
ONE = {"labels": LABELS, "startsAt": "2026-11-24T11:59:00.5+01:00", "status": {"state": "active"}}

Page = Callable[[web.Request], web.Response]


class Served:
    def __init__(self) -> None:
        self.answer: Page = lambda _: web.json_response([ONE])
        self.asked: list[web.Request] = []
        self.stalls = False

    async def page(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if self.stalls:
            await asyncio.sleep(60)
        return self.answer(request)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def client(served: Served, clock: ManualClock) -> AsyncIterator[Alertmanager]:
    app = web.Application()
    app.router.add_get("/base/api/v2/alerts", served.page)
    async with (
        TestServer(app) as server,
        Alertmanager(str(server.make_url("/base/")), clock, timeout_seconds=0.2) as made,
    ):
        yield made


async def test_it_asks_for_what_is_neither_silenced_nor_inhibited(client: Alertmanager, served: Served) -> None:
    (alert,) = await client.active(SELECTOR)
    assert alert.labels == LABELS
    assert alert.starts_at == datetime(2026, 11, 24, 10, 59, 0, 500_000, tzinfo=UTC)
    query = served.asked[0].query
    assert {name: query[name] for name in ("active", "silenced", "inhibited", "unprocessed")} == {
        "active": "true",
        "silenced": "false",
        "inhibited": "false",
        "unprocessed": "false",
    }
    assert query.getall("filter") == ['severity="page"', 'team="a \\"b\\" \\\\ c"', 'alertname=~"Fraud.*"']


async def test_what_does_not_match_is_not_believed(client: Alertmanager, served: Served) -> None:
    served.answer = lambda _: web.json_response([{**ONE, "labels": {**LABELS, "severity": "info"}}])
    assert await client.active(SELECTOR) == ()


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(status=500),
        lambda _: web.Response(status=404),
        lambda _: web.Response(text="<html>"),
        lambda _: web.json_response({"data": []}),
        lambda _: web.json_response([{"labels": LABELS}]),
        lambda _: web.json_response([{**ONE, "startsAt": "yesterday"}]),
    ],
    ids=["500", "404", "no json", "an object", "no start", "no time"],
)
async def test_whatever_goes_wrong_is_one_error(client: Alertmanager, served: Served, answer: Page) -> None:
    served.answer = answer
    with pytest.raises(AlertmanagerUnavailable):
        await client.active(SELECTOR)


async def test_an_answer_without_end_is_not_read(
    client: Alertmanager, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager, "MAX_ANSWER_BYTES", 1000)
    served.answer = lambda _: web.json_response([ONE] * 100)
    with pytest.raises(AlertmanagerUnavailable, match="longer than 1000 bytes"):
        await client.active(SELECTOR)


async def test_one_that_does_not_answer_is_spared_for_a_while(
    client: Alertmanager, served: Served, clock: ManualClock
) -> None:
    served.stalls = True
    for _ in range(4):
        with pytest.raises(AlertmanagerUnavailable):
            await client.active(SELECTOR)
    assert len(served.asked) == 2
    served.stalls = False
    clock.advance(15)
    assert len(await client.active(SELECTOR)) == 1
