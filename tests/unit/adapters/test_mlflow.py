"""The adapter against servers that are ill, and what it keeps to itself. tests/registry has the real one."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelrollout.adapters import mlflow
from modelrollout.adapters.mlflow import MlflowRegistry
from modelrollout.adapters.registry import NotInRegistry, RegistryRefused, RegistryUnavailable

MODEL = {"registered_model": {"name": "fraud", "aliases": [{"alias": "champion", "version": "7"}]}}


class Server:
    """Answers everything with one status and body; `release` lets go of those that hang."""

    def __init__(self) -> None:
        self.status, self.body, self.hangs = 200, json.dumps(MODEL).encode(), False
        self.release = threading.Event()
        self.headers: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.headers.append(self.headers.get("Authorization"))
                if server.hangs:
                    server.release.wait()
                self.send_response(server.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def stop(self) -> None:
        self.release.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads the environment, and the adapter writes to it."""
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")


async def test_an_answer(server: Server) -> None:
    calls: list[tuple[str, str]] = []
    registry = MlflowRegistry(server.url + "/", on_call=lambda *call: calls.append(call))

    assert await registry.aliases("fraud") == {"champion": "7"}
    assert calls == [("aliases", "success")]


ILL = {
    "500": (500, b"{}", RegistryUnavailable),
    "503 in words": (503, b"upstream connect error", RegistryUnavailable),
    "garbage": (200, b"<html>", RegistryUnavailable),
    "nothing": (200, b"{}", RegistryUnavailable),
    "a list": (200, b"[]", RegistryUnavailable),
    "another model": (200, b'{"registered_model": {"name": "other"}}', RegistryUnavailable),
    "404 of MLflow": (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}', NotInRegistry),
    "404 of a proxy": (404, b"not found", RegistryUnavailable),
    "401": (401, b"You are not authenticated.", RegistryRefused),
    "403": (403, b"Permission denied", RegistryRefused),
    "403 of MLflow": (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}', RegistryRefused),
}


@pytest.mark.parametrize(("status", "body", "error"), ILL.values(), ids=ILL.keys())
async def test_an_ill_server(server: Server, status: int, body: bytes, error: type[Exception]) -> None:
    server.status, server.body = status, body

    with pytest.raises(error):
        await MlflowRegistry(server.url).aliases("fraud")
    assert len(server.headers) == 1, "asked once: whoever asks decides when to ask again"


async def test_a_server_that_hangs_is_waited_for_as_long_as_was_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow, "TIMEOUT_SECONDS", 1)
    server.hangs = True
    calls: list[tuple[str, str]] = []
    registry = MlflowRegistry(server.url, on_call=lambda *call: calls.append(call))

    with pytest.raises(RegistryUnavailable):
        await registry.aliases("fraud")
    assert calls == [("aliases", "unavailable")]


async def test_the_outer_bound_holds_whatever_the_client_does(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(mlflow, "TIMEOUT_SECONDS", 600)
    server.hangs = True
    registry = MlflowRegistry(server.url)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.005)

    beating = asyncio.create_task(beat())
    with pytest.raises(RegistryUnavailable, match=r"no answer within 0\.05 s"):
        await registry.aliases("fraud")
    beating.cancel()
    assert beats > 1, "the loop went on"


async def test_nobody_there() -> None:
    with pytest.raises(RegistryUnavailable, match="MLflow: API request to"):
        await MlflowRegistry("http://127.0.0.1:1").aliases("fraud")


async def test_a_token_from_a_file_is_read_at_each_use(server: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    registry = MlflowRegistry(server.url, token_file=token)
    for text in ("first\n", "second\n"):
        token.write_text(text)
        await registry.aliases("fraud")

    assert server.headers == ["Bearer first", "Bearer second"]


async def test_a_token_file_that_is_gone_is_no_answer(server: Server, tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="No such file"):
        await MlflowRegistry(server.url, token_file=tmp_path / "nowhere").aliases("fraud")


async def test_credentials_of_the_environment_are_used_and_never_told(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "operator")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    server.status, server.body = 500, b"{}"

    with pytest.raises(RegistryUnavailable) as told:
        await MlflowRegistry(server.url).aliases("fraud")

    assert server.headers[0] is not None
    assert server.headers[0].startswith("Basic ")
    secret = server.headers[0].removeprefix("Basic ")
    assert not any(word in str(told.value) + caplog.text for word in ("hunter2", secret))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mlflow:5000", "must be the http or https address"),
        ("sqlite:///mlflow.db", "must be the http or https address"),
        ("http://operator:hunter2@mlflow:5000", "must hold no credentials: set MLFLOW_TRACKING_USERNAME"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_the_start(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        MlflowRegistry(url)
    assert "hunter2" not in str(refused.value)
