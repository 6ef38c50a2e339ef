"""The same counts of data from inside a server: ASGI middleware for those who write theirs in Python.

    app = ObserveMiddleware(app, deployment="fraud", revision="1f0c…", contract=contract, reference=reference)

It sends nothing anywhere. What a request and its answer hold is counted after the answer is on its way, so that users
wait for none of it; it costs the event loop what reading the two bodies once more costs. Bodies beyond a limit are not
kept, and whatever goes wrong here, the application does not notice. The counts are in the Prometheus client's usual
registry, so that the server's own `/metrics` has them.
"""

import logging
import os
import random
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry

from modelrollout.api.observe import Protocol
from modelrollout.data import Kind
from modelrollout.observer.answers import Message, UnreadableError, read_answer, unpacked
from modelrollout.observer.counting import DataCounts, Documents
from modelrollout.observer.sampling import chance

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

LONGEST_BYTES = 1024 * 1024
NAME_VARIABLE = "MODELROLLOUT_NAME"
REVISION_VARIABLE = "MODELROLLOUT_REVISION"


class ObserveMiddleware:
    """`deployment` and `revision` come from the environment where they are left out: give the pod MODELROLLOUT_NAME and
    MODELROLLOUT_REVISION from its labels `modelrollout.dev/name` and `modelrollout.dev/revision`.

    `contract` and `reference` are the documents as loaded from JSON or YAML. `share` of the requests are counted,
    chosen by their `x-request-id` where they have one. Raises ValueError when it cannot tell for whom to count, or
    what.
    """

    def __init__(
        self,
        app: App,
        *,
        deployment: str | None = None,
        revision: str | None = None,
        contract: Mapping[str, Any] | None = None,
        reference: Mapping[str, Any] | None = None,
        protocol: Protocol | str = Protocol.JSON,
        share: float = 1.0,
        longest_bytes: int = LONGEST_BYTES,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        documents = Documents.read(contract=contract, reference=reference)
        if not documents:
            raise ValueError("contract, reference: there is none that can be used; give one of them")
        self._app = app
        self._revision = _given("revision", revision, REVISION_VARIABLE)
        self._protocol = Protocol(protocol)
        self._share = share
        self._longest = longest_bytes
        self.counts = DataCounts()
        self.counts.begin(
            _given("deployment", deployment, NAME_VARIABLE),
            documents,
            self._protocol,
            inputs_of=self._revision,
            outputs_of=(self._revision,),
        )
        registry.register(self.counts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not self._chosen(scope):
            await self._app(scope, receive, send)
            return
        asked, answered = _Kept(self._longest), _Kept(self._longest)
        asked.headers = scope["headers"]

        async def received() -> Event:
            event = await receive()
            if event["type"] == "http.request":
                asked.add(event.get("body", b""))
            return event

        async def sent(event: Event) -> None:
            await send(event)
            if event["type"] == "http.response.start":
                answered.status, answered.headers = event["status"], event.get("headers", ())
            elif event["type"] == "http.response.body":
                answered.add(event.get("body", b""))

        await self._app(scope, received, sent)
        try:
            self._count(asked, answered)
        except Exception:
            # The application has answered, and is not to fail for the sake of a count.
            log.exception("a request could not be counted")

    def _chosen(self, scope: Scope) -> bool:
        if self._share >= 1.0:
            return True
        key = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        drawn = random.random() if key is None else chance(key.decode("latin-1"), "sample")
        return drawn < self._share

    def _count(self, asked: "_Kept", answered: "_Kept") -> None:
        """A refused request is counted as well: what breaks the contract is often refused. A failed answer is none."""
        try:
            self.counts.request(self._revision, asked.message())
        except UnreadableError:
            self.counts.unreadable(self._revision, Kind.INPUT)
        if not 200 <= answered.status < 300:
            return
        try:
            self.counts.answer(self._revision, read_answer(self._protocol, answered.message()))
        except UnreadableError:
            self.counts.unreadable(self._revision, Kind.OUTPUT)


class _Kept:
    """A body as it passes, up to a limit."""

    __slots__ = ("_longest", "_parts", "_size", "headers", "status")

    def __init__(self, longest: int) -> None:
        self.status = 0
        self.headers: Any = ()
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def message(self) -> Message:
        """Raises UnreadableError."""
        if self._size > self._longest:
            raise UnreadableError(f"it is longer than {self._longest} bytes")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.headers}
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        return Message.of(unpacked(body, headers.get("content-encoding", ""), longest=self._longest), headers)


def _given(name: str, value: str | None, variable: str) -> str:
    chosen = value or os.environ.get(variable, "")
    if not chosen:
        raise ValueError(f"{name}: it is not given, and {variable} is not set; set one of them")
    return chosen
