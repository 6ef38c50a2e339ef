"""The pages for probes, Prometheus and people: `/healthz`, `/metrics`, `/disagreements`.

`/disagreements` shows parts of requests, so the port is to be reachable by Prometheus and those who may look only; a
NetworkPolicy says so, and `kubectl port-forward` is a way that RBAC guards.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST


class Pages:
    """`alive` gives None when all is well, and else a sentence."""

    def __init__(
        self,
        *,
        alive: Callable[[], str | None],
        exposition: Callable[[], bytes],
        disagreements: Callable[[], dict[str, Any]],
        port: int,
        host: str | None = None,
    ) -> None:
        self._exposition = exposition
        self._disagreements = disagreements
        self._address = (host, port)
        app = web.Application()
        app.router.add_get("/healthz", _check(alive))
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/disagreements", self._examples)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    @property
    def port(self) -> int:
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        host, port = self._address
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _examples(self, _: web.Request) -> web.Response:
        text = json.dumps(self._disagreements(), ensure_ascii=False, indent=1)
        return web.Response(text=text + "\n", content_type="application/json")


def _check(check: Callable[[], str | None]) -> Callable[[web.Request], Any]:
    async def page(_: web.Request) -> web.Response:
        wrong = check()
        return web.Response(text="ok\n") if wrong is None else web.Response(status=503, text=wrong + "\n")

    return page
