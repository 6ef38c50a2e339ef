"""A connection of the intake: one of few enough, and closed when nothing comes.

A sender that opens connections and says nothing would otherwise hold their memory for ever; aiohttp limits the time
between two requests, and not that before the first.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

FIRST_REQUEST_SECONDS = 10.0
IDLE_SECONDS = 75.0
MOST_CONNECTIONS = 256
RECEIVED_BYTES = 32 * 1024
"""Buffer of the kernel for a connection, and so the most that one read can bring."""

BACKLOG = 256


class Connection(web.RequestHandler):
    """`first` is how long the first request may take to begin."""

    __slots__ = ("_first", "_timer")

    def __init__(self, server: web.Server, *, first: float, **options: Any) -> None:
        super().__init__(server, **options)
        self._first = first
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._timer = asyncio.get_running_loop().call_later(self._first, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.speaks()
        super().connection_lost(exc)

    def speaks(self) -> None:
        """A request has begun."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Door(asyncio.Protocol):
    """Decides when the connection is there and not when it is accepted: a whole backlog is accepted before any of it is
    counted.
    """

    def __init__(self, admitted: Callable[[], Connection | None]) -> None:
        self._admitted = admitted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = self._admitted()
        if connection is None:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
        else:
            transport.set_protocol(connection)
            connection.connection_made(transport)


class Listener:
    """The server of the intake. `on_refused` is called for each connection that is one too many."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Any],
        *,
        port: int,
        host: str | None = None,
        most: int = MOST_CONNECTIONS,
        first: float = FIRST_REQUEST_SECONDS,
        on_refused: Callable[[], None],
    ) -> None:
        self._handler = handler
        self._address = (host, port)
        self._most = most
        self._first = first
        self._on_refused = on_refused

    async def start(self) -> None:
        self._server = web.Server(self._handler)
        self._socket = bound(*self._address)
        self._listening = await asyncio.get_running_loop().create_server(
            lambda: Door(self._admitted), sock=self._socket, backlog=BACKLOG
        )

    async def stop(self) -> None:
        self._listening.close()
        await self._server.shutdown(1.0)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def connections(self) -> int:
        return len(self._server.connections)

    def _admitted(self) -> Connection | None:
        if self.connections >= self._most:
            self._on_refused()
            return None
        return Connection(
            self._server,
            first=self._first,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=0.0,
            read_bufsize=RECEIVED_BYTES,
        )


def bound(host: str | None, port: int) -> socket.socket:
    """Bound, on all addresses of both families where no host is said."""
    if host is None and socket.has_dualstack_ipv6():
        made = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    else:
        made = socket.create_server((host or "", port), backlog=BACKLOG)
    # Connections inherit it.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
    return made
