"""The client of `kubectl model` against a server on loopback that records what it is asked, and has a script."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from modelrollout.adapters.kubernetes import (
    MODEL_DEPLOYMENTS,
    ROLLOUT_ACTIONS,
    ApiError,
    Forbidden,
    Invalid,
    NotConfiguredError,
    Unreachable,
)
from modelrollout.adapters.kubernetes.blocking import BlockingClient
from modelrollout.adapters.kubernetes.kubeconfig import Access


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: list[tuple[str, str]]
    body: Any


@dataclass
class Server:
    """Answers (status, body) in order, the last one again and again; a list is a watch's events, None hangs up."""

    answers: list[tuple[int, Any] | None] = field(default_factory=lambda: [(200, {})])
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    script = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            script.connections += 1
            super().setup()

        def _answer(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            script.requests.append(
                Request(self.command, url.path, parse_qs(url.query), list(self.headers.items()), body)
            )
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            self.send_response(status)
            if isinstance(content, list):
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for event in content:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
                return
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        script.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield script
        running.shutdown()
        thread.join()


@pytest.fixture
def client(server: Server) -> Iterator[BlockingClient]:
    with BlockingClient(Access(server=f"{server.url}/k8s/cluster-1", token="secret"), environ={}) as made:
        yield made


def test_get(server: Server, client: BlockingClient) -> None:
    server.answers = [(200, {"kind": "ModelDeployment"})]
    assert client.get(MODEL_DEPLOYMENTS, namespace="payments", name="fraud") == {"kind": "ModelDeployment"}
    (asked,) = server.requests
    assert (asked.method, asked.path) == (
        "GET",
        "/k8s/cluster-1/apis/modelrollout.dev/v1alpha1/namespaces/payments/modeldeployments/fraud",
    )
    assert ("Authorization", "Bearer secret") in asked.headers


def test_what_is_not_there_is_none(server: Server, client: BlockingClient) -> None:
    server.answers = [(404, {"reason": "NotFound", "message": "not found"})]
    assert client.get(MODEL_DEPLOYMENTS, namespace="payments", name="fraud") is None


def test_a_list_comes_page_by_page_over_one_connection(server: Server, client: BlockingClient) -> None:
    server.answers = [
        (200, {"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "more"}}),
        (200, {"items": [{"metadata": {"name": "b"}}], "metadata": {}}),
    ]
    found = client.list(MODEL_DEPLOYMENTS, namespace=None, label_selector="team=risk")
    assert [(one["kind"], one["metadata"]["name"]) for one in found] == [
        ("ModelDeployment", "a"),
        ("ModelDeployment", "b"),
    ]
    first, second = server.requests
    assert first.path.endswith("/v1alpha1/modeldeployments")
    assert (first.query["labelSelector"], second.query["continue"]) == (["team=risk"], ["more"])
    assert server.connections == 1


def test_create(server: Server, client: BlockingClient) -> None:
    body = {"metadata": {"namespace": "payments", "generateName": "fraud-"}, "spec": {}}
    client.create(ROLLOUT_ACTIONS, body)
    (asked,) = server.requests
    assert (asked.method, asked.body) == ("POST", body)
    assert asked.query == {"fieldManager": ["kubectl-model"]}
    assert ("Content-Type", "application/json") in asked.headers


def test_acting_as_somebody_else(server: Server) -> None:
    access = Access(server=server.url, basic=("anna", "pw"), impersonate="otto", impersonate_groups=("a", "b"))
    with BlockingClient(access, environ={}) as client:
        client.get(MODEL_DEPLOYMENTS, namespace="payments", name="fraud")
    headers = server.requests[0].headers
    assert [value for name, value in headers if name == "Impersonate-Group"] == ["a", "b"]
    assert ("Impersonate-User", "otto") in headers
    assert ("Authorization", "Basic YW5uYTpwdw==") in headers


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ((403, {"reason": "Forbidden", "message": "not you"}), Forbidden, "not you"),
        ((401, {"message": "Unauthorized"}), Forbidden, "Unauthorized"),
        ((422, {"reason": "Invalid", "message": "spec: no"}), Invalid, "spec: no"),
        ((503, b"<html>upstream</html>"), Unreachable, "<html>upstream</html>"),
        ((200, b"no JSON"), Unreachable, "the answer is not JSON: no JSON"),
        ((200, b"[]"), ApiError, "the answer is not an object: []"),
    ],
)
def test_refusals(
    server: Server, client: BlockingClient, answer: tuple[int, Any], kind: type[ApiError], message: str
) -> None:
    server.answers = [answer]
    with pytest.raises(kind) as caught:
        client.create(ROLLOUT_ACTIONS, {"metadata": {"namespace": "payments"}})
    assert caught.value.message == message


def test_a_watch_has_a_connection_of_its_own(server: Server, client: BlockingClient) -> None:
    server.answers = [
        (200, {"metadata": {"resourceVersion": "5"}}),
        (200, [{"type": "ADDED", "object": {"a": 1}}, {"type": "MODIFIED", "object": {"a": 2}}]),
    ]
    client.create(ROLLOUT_ACTIONS, {"metadata": {"namespace": "payments"}})
    events = client.watch(
        ROLLOUT_ACTIONS, namespace="payments", seconds=30, field_selector="metadata.name=a", resource_version="5"
    )
    assert list(events) == [("ADDED", {"a": 1}), ("MODIFIED", {"a": 2})]
    assert server.requests[1].query == {
        "watch": ["true"],
        "timeoutSeconds": ["30"],
        "fieldSelector": ["metadata.name=a"],
        "resourceVersion": ["5"],
    }
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((403, {"message": "cannot watch"}), Forbidden),
        ((200, [{"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}]), ApiError),
    ],
)
def test_a_watch_that_ends_badly(server: Server, client: BlockingClient, answer: Any, kind: type[ApiError]) -> None:
    server.answers = [answer]
    with pytest.raises(kind):
        list(client.watch(ROLLOUT_ACTIONS, namespace="payments", seconds=30))


def test_a_connection_that_was_closed_meanwhile_is_opened_again_for_what_only_reads(
    server: Server, client: BlockingClient
) -> None:
    server.answers = [(200, {}), None, (200, {"again": True})]
    client.get(MODEL_DEPLOYMENTS, namespace="payments", name="fraud")
    assert client.get(MODEL_DEPLOYMENTS, namespace="payments", name="fraud") == {"again": True}
    server.answers = [None]
    with pytest.raises(Unreachable):
        client.create(ROLLOUT_ACTIONS, {"metadata": {"namespace": "payments"}})
    assert [asked.method for asked in server.requests] == ["GET", "GET", "GET", "POST"], "a write is never sent twice"


def test_nobody_there() -> None:
    with (
        BlockingClient(Access(server="http://127.0.0.1:1"), environ={}) as client,
        pytest.raises(Unreachable, match=r"http://127.0.0.1:1 does not answer: .*refused"),
    ):
        client.get(MODEL_DEPLOYMENTS, namespace="payments", name="fraud")


@pytest.mark.parametrize("environ", [{"HTTP_PROXY": "{url}", "no_proxy": "elsewhere.example"}, None])
def test_through_a_proxy(server: Server, environ: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    said = {name: value.format(url=server.url) for name, value in (environ or {}).items()}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    access = Access(server="http://cluster.example:8080", proxy=None if environ else server.url)
    with BlockingClient(access, environ=said) as client:
        client.get(MODEL_DEPLOYMENTS, namespace="payments", name="fraud")
    assert server.requests[0].path.startswith("/apis/modelrollout.dev")


@pytest.mark.parametrize(
    ("access", "sentence"),
    [
        (Access(server="cluster.example"), "is no URL with http or https"),
        (Access(server="http://cluster.example", proxy="socks5://proxy:1080"), "only http:// proxies are known"),
    ],
)
def test_what_cannot_be_used_is_told(access: Access, sentence: str) -> None:
    with pytest.raises(NotConfiguredError, match=sentence):
        BlockingClient(access, environ={})
