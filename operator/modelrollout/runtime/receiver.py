"""Where Alertmanager sends alerts to: one page on a port of its own, `POST /alerts`, open to who has a token.

It is answered with 2xx only when whatever follows from it is kept (`runtime.filing`), and with 503 where it is to be
sent again: Alertmanager repeats what was answered with 5xx, and nothing else. Leader and standby listen alike.

Nothing that a sender does may cost more than a little: who has no token is sent away before a byte of the body is read,
and a body is bounded in bytes, in alerts and in the time that it takes to arrive; requests are bounded in number at a
time and in a second. Tokens are read from the file at each request, so that a Secret can be exchanged; each of its
lines is one, so that the old and the new one can both be right for a while.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from aiohttp import web

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import ApiError
from modelrollout.runtime.filing import Filed
from modelrollout.runtime.payload import Payload, PayloadError, TooManyAlertsError, read

log = logging.getLogger(__name__)

PATH = "/alerts"
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_TOKEN_FILE_BYTES = 16 * 1024
BODY_SECONDS = 5.0
FILING_SECONDS = 10.0
AT_ONCE = 8
PER_SECOND = 50.0
BURST = 200.0

Take = Callable[[Payload], Awaitable[Filed]]


class Receiver:
    """`take` does what follows from a payload. Start it early: a standby listens as well."""

    def __init__(
        self,
        take: Take,
        *,
        token_file: Path,
        clock: Clock,
        port: int,
        host: str | None = None,
        on_request: Callable[[int], None],
    ) -> None:
        self._take = take
        self._token_file = token_file
        self._allowance = Allowance(clock, per_second=PER_SECOND, burst=BURST)
        self._on_request = on_request
        self._host = host
        self._port = port
        self._under_way = 0
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post(PATH, self._receive)
        # A sender whose body is still on its way gets a moment to read the answer, and no more.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, lingering_time=1.0)

    @property
    def port(self) -> int:
        """The port that is listened on; what was asked for, or what the system chose for 0."""
        return int(self._runner.addresses[0][1])

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        response = self._refusal(request) or await self._admitted(request)
        if response.status >= 400:
            # What is left of a body is not worth reading, and the next try may reach the other replica.
            response.force_close()
        self._on_request(response.status)
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        """What can be told from the headers alone."""
        tokens = self._tokens()
        if not tokens:
            return _said(503, f"there is no token in {self._token_file}: nobody may send alerts yet", again=True)
        if not _is_one_of(tokens, request.headers.get("Authorization", "")):
            response = _said(401, "a bearer token is needed, which is that of the Secret modelrollout-alerts")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        if request.content_type != "application/json" or "Content-Encoding" in request.headers:
            return _said(415, "the body must be plain application/json, as Alertmanager sends it")
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return _said(413, _TOO_LONG)
        if self._under_way >= AT_ONCE or not self._allowance.take():
            return _said(503, "too many requests; send it again in a moment", again=True)
        return None

    async def _admitted(self, request: web.Request) -> web.Response:
        self._under_way += 1
        try:
            async with asyncio.timeout(BODY_SECONDS):
                raw = await request.read()
            payload = await asyncio.to_thread(read, raw)
            async with asyncio.timeout(FILING_SECONDS):
                filed = await self._take(payload)
        except web.HTTPRequestEntityTooLarge:
            return _said(413, _TOO_LONG)
        except TooManyAlertsError as error:
            log.warning("alerts were refused: %s", error)
            return _said(413, str(error))
        except PayloadError as error:
            log.warning("alerts were refused: %s", error)
            return _said(400, str(error))
        except TimeoutError:
            return _said(503, "it took too long; send it again", again=True)
        except ApiError as error:
            log.warning("alerts could not be kept: %s", error)
            return _said(503, "it could not be kept; send it again", again=True)
        finally:
            self._under_way -= 1
        if filed.again:
            return _said(503, "an alert about the same version is being looked at; send it again", again=True)
        return web.json_response({"filed": list(filed.actions)})

    def _tokens(self) -> list[bytes]:
        try:
            with self._token_file.open("rb") as file:
                lines = file.read(MAX_TOKEN_FILE_BYTES).splitlines()
        except OSError:
            return []
        return [line.strip() for line in lines if line.strip()]


class Allowance:
    """So many at once and so many a second; who comes too often is told so, and does not wait here."""

    def __init__(self, clock: Clock, *, per_second: float, burst: float) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._filled_at = clock.monotonic()

    def take(self) -> bool:
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


_TOO_LONG = f"the body is longer than {MAX_BODY_BYTES // 1024 // 1024} MiB; set max_alerts in webhook_configs"


def _is_one_of(tokens: list[bytes], authorization: str) -> bool:
    """Each is compared, to its end, whichever it is."""
    scheme, _, given = authorization.partition(" ")
    candidate = given.strip().encode("utf-8", errors="surrogateescape")
    right = [hmac.compare_digest(token, candidate) for token in tokens]
    return any(right) and scheme.lower() == "bearer"


def _said(status: int, message: str, *, again: bool = False) -> web.Response:
    headers = {"Retry-After": "1"} if again else {}
    return web.Response(
        status=status, text=json.dumps({"error": message}), content_type="application/json", headers=headers
    )
