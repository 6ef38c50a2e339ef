"""Prometheus, through prometheus-api-client, of which one method is used and little is trusted.

The library is synchronous, waits for ever by default, multiplies every time-out by its own retries and drops the
`status`, `warnings` and `resultType` of an answer, so that half a result looks like a whole one. Hence:

* each of a few threads has a client of its own (a requests session is not said to be thread-safe), without retries and
  with time-outs, and the caller waits no longer than an outer bound whatever the thread does;
* a hook sees each response before the library does and refuses all but complete vectors, or matrices for a range;
* when Prometheus is down, callers are told so at once for a while instead of each waiting for a time-out.

Whatever goes wrong is one error, `PrometheusUnavailable`: nothing about the model follows from it. NaN and infinite
values are left out, as a pod that cannot be read now.
"""

import asyncio
import json
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusApiClientException, PrometheusConnect
from urllib3.util.retry import Retry

from modelrollout.adapters.clock import Clock

_REASON_LIMIT = 300

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Series:
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class History:
    """One series over time: Unix time to value."""

    labels: Mapping[str, str]
    values: Mapping[float, float]


class PrometheusUnavailable(Exception):  # noqa: N818
    """No complete answer. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _RefusedAnswer(PrometheusUnavailable):
    """Prometheus is up and quick, and does not answer this query in full: no reason to spare it others."""


class MetricsSource(Protocol):
    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        """The vector that `query` gives at `at`. Raises PrometheusUnavailable."""
        ...

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        """What `query` gives at every step from `begin` to `end`. Raises PrometheusUnavailable."""
        ...


class CircuitBreaker:
    """Open after some failures in a row; then one call in each cool-down finds out whether things are well again."""

    def __init__(self, clock: Clock, *, failures: int, cooldown_seconds: float) -> None:
        self._clock = clock
        self._limit = failures
        self._cooldown_seconds = cooldown_seconds
        self._failures = 0
        self._next_try_at = 0.0

    def allows(self) -> bool:
        """Asking for leave is taking it: while the one that was let through is under way, others are not."""
        if self._failures < self._limit:
            return True
        if self._clock.monotonic() < self._next_try_at:
            return False
        self._next_try_at = self._clock.monotonic() + self._cooldown_seconds
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self._next_try_at = self._clock.monotonic() + self._cooldown_seconds


class PrometheusSource:
    """`MetricsSource` over HTTP. Close it, or use `async with`."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout_seconds: float = 2.0,
        read_timeout_seconds: float = 8.0,
        threads: int = 4,
        failures: int = 3,
        cooldown_seconds: float = 5.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers or {})
        self._timeout = (connect_timeout_seconds, read_timeout_seconds)
        # A read time-out starts anew with every byte, so it alone bounds nothing.
        self._patience_seconds = connect_timeout_seconds + 1.25 * read_timeout_seconds
        self._breaker = CircuitBreaker(clock, failures=failures, cooldown_seconds=cooldown_seconds)
        self._reason = ""
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="prometheus")
        self._of_thread = threading.local()
        self._clients: list[PrometheusConnect] = []

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        return await self._guarded(lambda: self._ask(query, at))

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        """What `query` gives at every step from `begin` to `end`, both in whole seconds. For looking back, not for
        deciding."""
        return await self._guarded(lambda: self._ask_range(query, begin, end, step_seconds))

    async def _guarded(self, ask: Callable[[], Answer]) -> Answer:
        if not self._breaker.allows():
            raise PrometheusUnavailable(f"not asked, because it failed before: {self._reason}")
        try:
            answer = await self._answer(ask)
        except _RefusedAnswer:
            self._breaker.succeeded()
            raise
        except PrometheusUnavailable as error:
            self._reason = error.reason
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return answer

    async def close(self) -> None:
        """Wait for what is under way, at most one read time-out, and close all connections."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
        for client in self._clients:
            client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _answer(self, ask: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            asked = loop.run_in_executor(self._executor, ask)
            return await asyncio.wait_for(asked, self._patience_seconds)
        except TimeoutError as error:
            raise PrometheusUnavailable(f"no answer within {self._patience_seconds:g} s") from error
        except requests.Timeout as error:
            raise PrometheusUnavailable(f"no answer within {self._timeout[1]:g} s") from error
        except (requests.RequestException, PrometheusApiClientException) as error:
            raise PrometheusUnavailable(_short(str(_cause(error)))) from error
        except (LookupError, TypeError, ValueError) as error:
            raise PrometheusUnavailable(_short(f"the answer cannot be read: {error!r}")) from error

    def _ask(self, query: str, at: datetime) -> tuple[Series, ...]:
        """Runs in a thread of the pool."""
        parameters = {"time": f"{at.timestamp():.3f}", "timeout": f"{self._timeout[1]:g}s"}
        return _vector(self._client().custom_query(query, params=parameters, timeout=self._timeout))

    def _ask_range(self, query: str, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        """Runs in a thread of the pool."""
        parameters = {"timeout": f"{self._timeout[1]:g}s"}
        found = self._client().custom_query_range(
            query, begin, end, str(step_seconds), params=parameters, timeout=self._timeout
        )
        return tuple(_history(item) for item in found)

    def _client(self) -> PrometheusConnect:
        client = getattr(self._of_thread, "client", None)
        if client is None:
            session = requests.Session()
            session.hooks["response"].append(_refuse_the_incomplete)
            # `read=False`: a time-out comes out as one, not as a connection that could not be made.
            retry = Retry(total=0, read=False)
            client = PrometheusConnect(self._url, headers=self._headers, retry=retry, session=session)
            self._of_thread.client = client
            self._clients.append(client)
        return client


def _refuse_the_incomplete(response: requests.Response, *_: Any, **__: Any) -> None:
    if response.is_redirect:
        return
    payload = _json(response)
    if response.status_code != 200 or payload.get("status") != "success":
        kind = PrometheusUnavailable if response.status_code >= 500 else _RefusedAnswer
        said = payload.get("error") or response.text
        raise kind(_short(f"HTTP {response.status_code}: {said}"))
    if payload.get("warnings"):
        raise _RefusedAnswer(_short("the answer is incomplete: " + "; ".join(map(str, payload["warnings"]))))
    result_type = payload["data"]["resultType"]
    wanted = "matrix" if urlsplit(response.url).path.endswith("/query_range") else "vector"
    if result_type != wanted:
        raise _RefusedAnswer(f"the answer is a {result_type}, not a {wanted}")
    # The library parses the body again; answers for hundreds of rollouts are long enough for that to matter.
    response.json = lambda **_: payload  # type: ignore[method-assign]


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        payload = json.loads(response.content)
    except ValueError:
        if response.status_code == 200:
            raise
        payload = {}
    if not isinstance(payload, dict):
        raise TypeError("not an object")
    return payload


def _vector(result: list[dict[str, Any]]) -> tuple[Series, ...]:
    read = (Series(labels=item["metric"], value=float(item["value"][1])) for item in result)
    return tuple(series for series in read if math.isfinite(series.value))


def _history(item: dict[str, Any]) -> History:
    read = ((float(time), float(value)) for time, value in item["values"])
    return History(labels=item["metric"], values={time: value for time, value in read if math.isfinite(value)})


def _cause(error: Exception) -> object:
    """What urllib3 says below requests' wrapper, whose own text begins with the whole URL."""
    wrapped = error.args[0] if error.args else None
    return getattr(wrapped, "reason", None) or error


def _short(reason: str) -> str:
    return " ".join(reason.split())[:_REASON_LIMIT]
