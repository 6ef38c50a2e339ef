"""The middleware around a small ASGI application."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from modelrollout.observer.middleware import NAME_VARIABLE, REVISION_VARIABLE, ObserveMiddleware, Receive, Scope, Send
from tests.unit.observer.documents import CONTRACT, REFERENCE

GOOD = {"instances": [{"amount": 5.0, "country": "DE"}, {"amount": 15.0, "country": "FR"}]}
ANSWER = {"predictions": [{"score": 0.25}, {"score": 0.75}]}


class Application:
    """Reads the request to its end and answers."""

    def __init__(self, answer: object = ANSWER, status: int = 200) -> None:
        self.answer = answer
        self.status = status
        self.seen = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        more = True
        while more:
            event = await receive()
            self.seen += event.get("body", b"")
            more = event.get("more_body", False)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(self.answer).encode(), "more_body": False})


class Server:
    """One application with its middleware, its registry, and what was sent to the user."""

    def __init__(self, application: Application, **options: Any) -> None:
        self.registry = CollectorRegistry()
        given = {"deployment": "fraud", "revision": "abc", "contract": CONTRACT, "reference": REFERENCE, **options}
        self.app = ObserveMiddleware(application, registry=self.registry, **given)

    async def ask(
        self, body: bytes, *, parts: int = 1, headers: Iterable[tuple[bytes, bytes]] = (), method: str = "POST"
    ) -> list[MutableMapping[str, Any]]:
        size = -(-len(body) // parts) or 1
        chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        events = iter(
            {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
            for place, chunk in enumerate(chunks)
        )
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return next(events)

        async def send(event: MutableMapping[str, Any]) -> None:
            sent.append(event)

        given = [(b"content-type", b"application/json"), *headers]
        await self.app({"type": "http", "method": method, "path": "/predict", "headers": given}, receive, send)
        return sent

    def told(self, metric: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(metric, {"modeldeployment": "fraud", "revision": "abc", **labels})

    def rows(self, kind: str) -> float | None:
        return self.told("modelrollout_data_rows_total", kind=kind)


async def test_inputs_and_outputs_are_counted() -> None:
    server = Server(application := Application())
    sent = await server.ask(json.dumps(GOOD).encode(), parts=3)
    assert application.seen == json.dumps(GOOD).encode()
    assert [event["type"] for event in sent] == ["http.response.start", "http.response.body"]
    assert (server.rows("input"), server.rows("output")) == (2, 2)
    assert server.told("modelrollout_data_values_total", kind="input", feature="amount", bin="10..20") == 1
    assert server.told("modelrollout_data_values_total", kind="output", feature="score", bin="0.5..1") == 1


async def test_violations_of_refused_requests_are_counted_too() -> None:
    server = Server(Application({"error": "no"}, status=400))
    await server.ask(json.dumps({"amount": -1, "country": "US"}).encode())
    assert server.told("modelrollout_data_violations_total", kind="input", feature="amount", rule="range") == 1
    assert server.told("modelrollout_data_violations_total", kind="input", feature="country", rule="category") == 1
    assert (server.rows("input"), server.rows("output")) == (1, 0)
    assert server.told("modelrollout_data_unreadable_total", kind="output") == 0


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"[1]", b'{"instances": [' + b"1," * 200_000 + b"1]}"])
async def test_what_cannot_be_read_reaches_the_application_and_is_counted(body: bytes) -> None:
    server = Server(application := Application())
    await server.ask(body)
    assert application.seen == body
    assert server.told("modelrollout_data_unreadable_total", kind="input") == 1


async def test_a_long_body_passes_and_is_not_kept() -> None:
    server = Server(application := Application(), longest_bytes=1000)
    await server.ask(bytes(10_000), parts=10)
    assert len(application.seen) == 10_000
    assert server.told("modelrollout_data_unreadable_total", kind="input") == 1


async def test_packed_requests_are_unpacked_within_the_limit() -> None:
    server = Server(Application())
    packed = [(b"content-encoding", b"gzip")]
    await server.ask(gzip.compress(json.dumps(GOOD).encode()), headers=packed)
    await server.ask(gzip.compress(bytes(50_000_000)), headers=packed)
    assert server.rows("input") == 2
    assert server.told("modelrollout_data_unreadable_total", kind="input") == 1


async def test_other_protocols_and_methods_pass() -> None:
    server = Server(Application())
    await server.ask(b"", method="GET")
    await server.app({"type": "lifespan"}, _never, _never)
    assert server.rows("input") == 0


async def test_a_share_is_chosen_by_the_id() -> None:
    server = Server(Application(), share=0.3)
    for _ in range(2):
        for number in range(50):
            await server.ask(json.dumps(GOOD).encode(), headers=[(b"x-request-id", f"id-{number}".encode())])
    counted = server.told("modelrollout_data_requests_total", kind="input")
    assert counted is not None
    assert counted % 2 == 0
    assert 10 <= counted <= 50


async def test_an_application_that_fails_fails_as_without_it() -> None:
    class Failing(Application):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise LookupError("no model")

    with pytest.raises(LookupError, match="no model"):
        await Server(Failing()).ask(b"{}")


def test_for_whom_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "fraud")
    monkeypatch.setenv(REVISION_VARIABLE, "abc")
    assert Server(Application(), deployment=None, revision=None).rows("input") == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"deployment": None}, "deployment: it is not given, and MODELROLLOUT_NAME is not set"),
        ({"contract": None, "reference": None}, "contract, reference: there is none"),
        ({"contract": {"inputs": [{"name": "x"}]}, "reference": None}, "contract, reference: there is none"),
        ({"protocol": "REST"}, "'REST' is not a valid Protocol"),
    ],
)
def test_what_is_missing_is_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Server(Application(), **options)


def test_it_is_imported_without_clients_and_servers() -> None:
    """What a model server would otherwise have to install for it."""
    script = """
import sys
import modelrollout.observer.middleware
print(sorted({name.partition(".")[0] for name in sys.modules} & {"kopf", "kubernetes", "aiohttp", "requests", "yaml"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def _never(*_: object) -> Any:
    raise AssertionError
