"""Three pages on one port: `/healthz`, `/readyz`, `/metrics`.

That a page is answered at all shows that the event loop turns; the checks say what else must be true. A check is a
callable that gives None when all is well and otherwise a sentence about what is not, which is what the page says.
Ready does not mean leader: a standby is ready, or a rolling update of the operator could never end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

Check = Callable[[], str | None]


class HealthServer:
    """Start it early, before the first request to the API server, so that probes have something to ask."""

    def __init__(
        self,
        *,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        exposition: Callable[[], bytes],
        port: int,
        host: str | None = None,
    ) -> None:
        self._exposition = exposition
        self._host = host
        self._port = port
        app = web.Application()
        app.router.add_get("/healthz", _page(live))
        app.router.add_get("/readyz", _page(ready))
        app.router.add_get("/metrics", self._metrics)
        # Probes and scrapes are too many to be worth a line each.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    @property
    def port(self) -> int:
        """The port that is listened on; what was asked for, or what the system chose for 0."""
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _metrics(self, _: web.Request) -> web.Response:
        # In a thread, because a thousand rollouts take longer to write out than watches and probes should wait.
        body = await asyncio.to_thread(self._exposition)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _page(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(_: web.Request) -> web.Response:
        wrong = {name: problem for name, check in checks.items() if (problem := check()) is not None}
        if not wrong:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="".join(f"{name}: {problem}\n" for name, problem in wrong.items()))

    return page
