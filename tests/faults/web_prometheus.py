"""The scripted Prometheus on loopback, with the ways in which a real one fails."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from modelrollout.adapters.prometheus import Series
from modelrollout.plan.alerts import Firing
from tests.faults.prometheus import ALERTS, answer, firing
from tests.faults.traffic import Traffic

Json = dict[str, Any]
Fault = Callable[[web.Request, Json], "web.StreamResponse | Json"]
"""From a good answer to the one that is given instead."""


def healthy(_: web.Request, payload: Json) -> Json:
    return payload


def refusing(_: web.Request, __: Json) -> web.StreamResponse:
    return web.Response(status=503, text="starting up")


def cut(request: web.Request, payload: Json) -> Json:
    """The connection breaks before the answer."""
    if request.transport is not None:
        request.transport.abort()
    return payload


def empty(_: web.Request, payload: Json) -> Json:
    """A Prometheus that has just lost its data, or scrapes nothing."""
    return {**payload, "data": {"resultType": "vector", "result": []}}


def not_a_number(_: web.Request, payload: Json) -> Json:
    result = [{**one, "value": [one["value"][0], "NaN"]} for one in payload["data"]["result"]]
    return {**payload, "data": {"resultType": "vector", "result": result}}


def incomplete(_: web.Request, payload: Json) -> Json:
    """Half of the series, and a warning that says so."""
    result = payload["data"]["result"]
    half = {"resultType": "vector", "result": result[: len(result) // 2]}
    return {**payload, "data": half, "warnings": ["error fetching 1 of 2 stores"]}


def duplicated(_: web.Request, payload: Json) -> Json:
    """Each series twice: two replicas of Prometheus behind a query layer that does not deduplicate."""
    return {**payload, "data": {"resultType": "vector", "result": payload["data"]["result"] * 2}}


def broken(_: web.Request, __: Json) -> web.StreamResponse:
    return web.Response(text='{"status": "succ')


@dataclass
class WebPrometheus:
    """`asked` is every query that arrived."""

    traffic: Traffic
    fault: Fault = healthy
    delay_seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    alerts: list[Firing] = field(default_factory=list)

    async def __aenter__(self) -> "WebPrometheus":
        app = web.Application()
        app.router.add_get("/api/v1/query", self._query)
        self._server = TestServer(app)
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def _query(self, request: web.Request) -> web.StreamResponse:
        query, at = request.query["query"], datetime.fromtimestamp(float(request.query["time"]), UTC)
        self.asked.append(query)
        await asyncio.sleep(self.delay_seconds)
        told = firing(self.alerts, at) if ALERTS in query else answer(query, at, self.traffic)
        series = [_result(one, at) for one in told]
        payload = {"status": "success", "data": {"resultType": "vector", "result": series}}
        answered = self.fault(request, payload)
        return answered if isinstance(answered, web.StreamResponse) else web.json_response(answered)


def _result(series: Series, at: datetime) -> Json:
    return {"metric": dict(series.labels), "value": [at.timestamp(), repr(series.value)]}
