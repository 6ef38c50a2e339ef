"""A model server, asked for the metadata of a model and for one answer: the Open Inference Protocol over HTTP.

It is the user's own pod, and may be slow, half started or hostile: each question has a time-out, an answer a largest
size, and redirects are not followed, so that a candidate cannot send the operator elsewhere.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol, Self
from urllib.parse import quote

import aiohttp

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 4 << 20
_SHOWN = 200


class NoAnswer(Exception):  # noqa: N818
    """The server cannot be reached, or says nothing that can be read. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refusal(NoAnswer):
    """It answered with a status of error."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ModelServer(Protocol):
    async def metadata(self, url: str, model: str) -> Mapping[str, Any]:
        """What it says of the model. Raises NoAnswer."""
        ...

    async def infer(self, url: str, model: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its answer to one request. Raises NoAnswer."""
        ...


class HttpModelServer:
    """`ModelServer` over HTTP. Use `async with`."""

    def __init__(self, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def metadata(self, url: str, model: str) -> Mapping[str, Any]:
        return await self._ask("GET", f"{url}/v2/models/{quote(model, safe='')}", None)

    async def infer(self, url: str, model: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._ask("POST", f"{url}/v2/models/{quote(model, safe='')}/infer", body)

    async def _ask(self, method: str, url: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if self._session is None:
            raise RuntimeError("A model server is asked inside `async with`.")
        try:
            async with self._session.request(method, url, json=body, allow_redirects=False) as answer:
                text = await answer.content.read(MAX_ANSWER_BYTES + 1)
                while len(text) <= MAX_ANSWER_BYTES and (more := await answer.content.read(MAX_ANSWER_BYTES)):
                    text += more
                status = answer.status
        except TimeoutError as error:
            raise NoAnswer(f"{method} {url}: no answer within {self._timeout.total:g} s") from error
        except aiohttp.ClientError as error:
            raise NoAnswer(f"{method} {url}: {_short(str(error))}") from error
        if status >= 300:
            raise Refusal(status, f"{method} {url} answers {status}: {_short(text.decode('utf-8', 'replace'))}")
        if len(text) > MAX_ANSWER_BYTES:
            raise NoAnswer(f"{method} {url}: the answer is longer than {MAX_ANSWER_BYTES >> 20} MiB")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NoAnswer(f"{method} {url}: the answer is no JSON") from error
        if not isinstance(content, dict):
            raise NoAnswer(f"{method} {url}: the answer is no JSON object")
        return content


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"
