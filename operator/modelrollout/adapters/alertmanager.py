"""Alertmanager, of which one thing is asked: which alerts of some labels are active, neither silenced nor inhibited.

Prometheus knows no silences. It is asked only once Prometheus says that an alert fires, and not for long: whatever goes
wrong is one error, and who asked goes on with what Prometheus said.
"""

import json
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import aiohttp

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.prometheus import CircuitBreaker
from modelrollout.api.alerts import bounded
from modelrollout.plan.alerts import Firing, Selector

MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_REASON_LIMIT = 300


class AlertmanagerUnavailable(Exception):  # noqa: N818
    """No answer, or none that can be read. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = " ".join(reason.split())[:_REASON_LIMIT]


class Alertmanager:
    """Close it, or use `async with`."""

    def __init__(self, url: str, clock: Clock, *, timeout_seconds: float = 1.0) -> None:
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._breaker = CircuitBreaker(clock, failures=2, cooldown_seconds=15.0)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_seconds))

    async def active(self, selector: Selector) -> tuple[Firing, ...]:
        """Those that it would send now. Raises AlertmanagerUnavailable."""
        if not self._breaker.allows():
            raise AlertmanagerUnavailable("not asked, because it failed before")
        try:
            found = _read(await self._ask(selector))
        except (aiohttp.ClientError, TimeoutError, OSError, LookupError, TypeError, ValueError) as error:
            self._breaker.failed()
            raise AlertmanagerUnavailable(f"{type(error).__name__}: {error}") from error
        self._breaker.succeeded()
        return tuple(alert for alert in found if selector.matches(alert.labels))

    async def close(self) -> None:
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, selector: Selector) -> bytes:
        asked = [f"{label}={_quoted(value)}" for label, value in selector.equal]
        asked += [f"{label}=~{_quoted(pattern)}" for label, pattern in selector.matching]
        states = {"active": "true", "silenced": "false", "inhibited": "false", "unprocessed": "false"}
        parameters = [*states.items(), *(("filter", matcher) for matcher in asked)]
        raw = bytearray()
        async with self._session.get(self._url, params=parameters, raise_for_status=True) as response:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                raw += chunk
                if len(raw) > MAX_ANSWER_BYTES:
                    raise ValueError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        return bytes(raw)


def _quoted(text: str) -> str:
    """As Alertmanager reads a string: it knows these three escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _read(raw: bytes) -> list[Firing]:
    answer: list[dict[str, Any]] = json.loads(raw)
    return [Firing(bounded(one["labels"]), _time(one["startsAt"])) for one in answer]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
