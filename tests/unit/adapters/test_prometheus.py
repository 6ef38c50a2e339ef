"""The source against a real HTTP server on loopback that answers as Prometheus does, or as it should not."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelrollout.adapters.prometheus import CircuitBreaker, PrometheusSource, PrometheusUnavailable, Series
from tests.clock import ManualClock

AT = datetime(2026, 11, 24, 12, 0, 4, 500_000, tzinfo=UTC)


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {"pod": f"p{index}"}, "value": [1.0, value]} for index, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@dataclass
class FakePrometheus:
    body: Any = field(default_factory=lambda: vector("1"))
    status: int = 200
    requests: list[web.BaseRequest] = field(default_factory=list)
    before_answer: Callable[[], Any] | None = None
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.before_answer is not None:
            await self.before_answer()
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return web.Response(status=self.status, text=text, content_type="application/json")


@pytest.fixture
async def server() -> AsyncIterator[FakePrometheus]:
    fake = FakePrometheus()
    app = web.Application()
    app.router.add_get("/prometheus/api/v1/query", fake.handle)
    app.router.add_get("/old/api/v1/query", _moved)
    async with TestServer(app) as running:
        fake.url = str(running.make_url("/prometheus/"))
        yield fake


async def _moved(request: web.Request) -> web.Response:
    raise web.HTTPFound(location=f"/prometheus/api/v1/query?{request.query_string}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def source(server: FakePrometheus, clock: ManualClock) -> AsyncIterator[PrometheusSource]:
    async with PrometheusSource(server.url, clock, headers={"Authorization": "Bearer t"}) as source:
        yield source


async def test_a_vector_at_an_explicit_time(source: PrometheusSource, server: FakePrometheus) -> None:
    server.body = vector("3", "4.5")
    assert await source.instant('sum by (pod) (x{a="b|c"})', AT) == (
        Series({"pod": "p0"}, 3.0),
        Series({"pod": "p1"}, 4.5),
    )
    [request] = server.requests
    assert dict(request.query) == {"query": 'sum by (pod) (x{a="b|c"})', "time": "1795521604.500", "timeout": "8s"}
    assert request.headers["Authorization"] == "Bearer t"


async def test_no_series_is_an_answer(source: PrometheusSource, server: FakePrometheus) -> None:
    server.body = vector()
    assert await source.instant("x", AT) == ()


async def test_values_that_are_no_numbers_are_left_out(source: PrometheusSource, server: FakePrometheus) -> None:
    server.body = vector("NaN", "+Inf", "-Inf", "7")
    assert await source.instant("x", AT) == (Series({"pod": "p3"}, 7.0),)


async def test_notes_about_a_complete_answer_do_no_harm(source: PrometheusSource, server: FakePrometheus) -> None:
    server.body = {**vector("1"), "infos": ["metric might not be a counter"]}
    assert await source.instant("x", AT) == (Series({"pod": "p0"}, 1.0),)


async def test_a_redirect_is_followed(server: FakePrometheus, clock: ManualClock) -> None:
    async with PrometheusSource(server.url.replace("/prometheus", "/old"), clock) as source:
        assert await source.instant("x", AT) == (Series({"pod": "p0"}, 1.0),)


SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1.0, "NaN"]}}
BAD_DATA = {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}
NATIVE_HISTOGRAM = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {}, "histogram": [1.0, {"count": "3"}]}]},
}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, {**vector("1"), "warnings": ["store a is away"]}, "the answer is incomplete: store a is away"),
        (200, SCALAR, "the answer is a scalar, not a vector"),
        (200, BAD_DATA, "HTTP 200: parse error: unexpected end"),
        (400, BAD_DATA, "HTTP 400: parse error: unexpected end"),
        (422, {"status": "error", "error": "query timed out"}, "HTTP 422: query timed out"),
        (503, "Service\nUnavailable", "HTTP 503: Service Unavailable"),
        (503, "[]", "cannot be read"),
        (200, "{", "Expecting property name"),
        (200, "[]", "cannot be read"),
        (200, {"status": "success"}, "cannot be read: KeyError('data')"),
        (200, {"status": "success", "data": {"resultType": "vector", "result": None}}, "cannot be read"),
        (200, NATIVE_HISTOGRAM, "cannot be read: KeyError('value')"),
        (200, vector("many"), "cannot be read"),
    ],
)
async def test_anything_else_is_unavailable_with_a_reason(
    source: PrometheusSource, server: FakePrometheus, status: int, body: Any, reason: str
) -> None:
    server.status, server.body = status, body
    with pytest.raises(PrometheusUnavailable) as caught:
        await source.instant("x", AT)
    assert reason in caught.value.reason
    assert str(caught.value) == caught.value.reason
    assert len(server.requests) == 1, "nothing is tried twice"


async def test_nobody_there(clock: ManualClock, unused_tcp_port: int) -> None:
    async with PrometheusSource(f"http://127.0.0.1:{unused_tcp_port}", clock) as source:
        with pytest.raises(PrometheusUnavailable, match="Connection refused"):
            await source.instant("x" * 1000, AT)


async def test_a_server_that_does_not_answer(server: FakePrometheus, clock: ManualClock) -> None:
    release = asyncio.Event()
    server.before_answer = release.wait
    async with PrometheusSource(server.url, clock, read_timeout_seconds=0.05) as source:
        with pytest.raises(PrometheusUnavailable, match=r"no answer within 0\.05 s"):
            await source.instant("x", AT)
        release.set()


async def test_the_caller_waits_no_longer_than_the_outer_bound(server: FakePrometheus, clock: ManualClock) -> None:
    """With its only thread busy, a second query would wait for the first one's time-out before its own began."""
    release = asyncio.Event()
    server.before_answer = release.wait
    async with PrometheusSource(
        server.url, clock, read_timeout_seconds=0.2, connect_timeout_seconds=0.05, threads=1
    ) as source:
        answers = await asyncio.gather(*(source.instant("x", AT) for _ in range(3)), return_exceptions=True)
        release.set()
    first, *queued = [str(answer) for answer in answers]
    # The one that had the thread is ended by its own time-out, or, if the thread was slow to start, like the others.
    assert first in ("no answer within 0.2 s", "no answer within 0.3 s")
    assert queued == ["no answer within 0.3 s", "no answer within 0.3 s"]


async def test_queries_run_side_by_side_and_threads_end(server: FakePrometheus, clock: ManualClock) -> None:
    together = asyncio.Barrier(4)
    server.before_answer = together.wait
    async with PrometheusSource(server.url, clock, threads=4) as source:
        answers = await asyncio.gather(*(source.instant(f"x{index}", AT) for index in range(4)))
        assert all(len(answer) == 1 for answer in answers)
        assert sum(thread.name.startswith("prometheus") for thread in threading.enumerate()) == 4
    assert not any(thread.name.startswith("prometheus") for thread in threading.enumerate())


async def test_after_three_failures_nobody_waits_until_the_cool_down_is_over(
    source: PrometheusSource, server: FakePrometheus, clock: ManualClock
) -> None:
    server.status, server.body = 503, "down"
    for _ in range(3):
        with pytest.raises(PrometheusUnavailable, match="HTTP 503: down"):
            await source.instant("x", AT)
    with pytest.raises(PrometheusUnavailable, match="not asked, because it failed before: HTTP 503: down"):
        await source.instant("x", AT)
    assert len(server.requests) == 3
    server.status, server.body = 200, vector("1")
    clock.advance(5)
    assert len(await source.instant("x", AT)) == 1
    assert len(await source.instant("x", AT)) == 1


async def test_a_query_that_is_refused_does_not_keep_others_from_being_asked(
    source: PrometheusSource, server: FakePrometheus
) -> None:
    server.status, server.body = 400, BAD_DATA
    for _ in range(5):
        with pytest.raises(PrometheusUnavailable, match="parse error"):
            await source.instant("x", AT)
    assert len(server.requests) == 5


def test_the_breaker_lets_one_through_in_each_cool_down(clock: ManualClock) -> None:
    breaker = CircuitBreaker(clock, failures=2, cooldown_seconds=5)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows(), "only failures in a row count"
    breaker.failed()
    assert not breaker.allows()
    clock.advance(5)
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.failed()
    clock.advance(4)
    assert not breaker.allows()
    clock.advance(1)
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows(), breaker.allows()] == [True, True]
