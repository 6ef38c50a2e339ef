"""The client against a server on loopback that records what it is asked and answers from a script."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client.configuration import Configuration

from modelrollout.adapters.kubernetes import (
    DEPLOYMENTS,
    EVENTS,
    HTTP_ROUTES,
    LEASES,
    MODEL_DEPLOYMENTS,
    PODS,
    SERVICES,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    KubernetesClient,
    NotConfiguredError,
    NotFound,
    TooManyRequests,
    Unreachable,
)
from modelrollout.adapters.kubernetes.credentials import in_cluster
from modelrollout.adapters.kubernetes.throttle import TokenBucket
from tests.clock import ManualClock, settle


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeServer:
    """Answers in the order of `answers`; the last one again and again. `hang` answers nothing until it is set."""

    answers: list[Answer] = field(default_factory=lambda: [Answer({})])
    requests: list[Request] = field(default_factory=list)
    hang: asyncio.Event | None = None
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.requests.append(
            Request(
                request.method,
                request.raw_path.partition("?")[0],
                dict(request.query),
                {name.lower(): value for name, value in request.headers.items()},
                json.loads(text) if text else None,
            )
        )
        if self.hang is not None:
            await self.hang.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return web.Response(status=answer.status, text=body, content_type="application/json", headers=answer.headers)


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", fake.handle)
    async with TestServer(app) as running:
        fake.url = str(running.make_url("")).rstrip("/")
        yield fake


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def counted() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
async def client(
    server: FakeServer, clock: ManualClock, counted: list[tuple[str, str, str]]
) -> AsyncIterator[KubernetesClient]:
    async with KubernetesClient(
        Configuration(host=server.url), clock=clock, on_request=lambda *request: counted.append(request)
    ) as client:
        yield client


def deployment(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "ns", **metadata},
        "spec": {"replicas": 2},
    }


async def test_apply_is_a_forced_server_side_apply_under_our_name(client: KubernetesClient, server: FakeServer) -> None:
    server.answers = [Answer({"kind": "Deployment", "metadata": {"resourceVersion": "7"}}, status=201)]
    applied = await client.apply(DEPLOYMENTS, deployment())
    assert applied["metadata"]["resourceVersion"] == "7"
    [request] = server.requests
    assert (request.method, request.path) == ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/a")
    assert request.query == {"fieldManager": "modelrollout", "force": "true"}
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert request.headers["accept"] == "application/json"
    assert request.body == deployment()


async def test_status_patch_carries_the_resource_version_and_keeps_nulls(
    client: KubernetesClient, server: FakeServer
) -> None:
    await client.patch_status(
        MODEL_DEPLOYMENTS, namespace="ns", name="fraud", resource_version="41", status={"weight": 5, "candidate": None}
    )
    [request] = server.requests
    assert request.method == "PATCH"
    assert request.path == "/apis/modelrollout.dev/v1alpha1/namespaces/ns/modeldeployments/fraud/status"
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.body == {"metadata": {"resourceVersion": "41"}, "status": {"weight": 5, "candidate": None}}


async def test_create_and_replace(client: KubernetesClient, server: FakeServer) -> None:
    lease = {"metadata": {"name": "leader", "namespace": "ns", "resourceVersion": "3"}, "spec": {}}
    await client.create(LEASES, lease)
    await client.replace(LEASES, lease)
    created, replaced = server.requests
    assert (created.method, created.path) == ("POST", "/apis/coordination.k8s.io/v1/namespaces/ns/leases")
    assert (replaced.method, replaced.path) == ("PUT", "/apis/coordination.k8s.io/v1/namespaces/ns/leases/leader")
    assert created.body == replaced.body == lease
    assert created.headers["content-type"] == "application/json"


async def test_delete_says_how_and_takes_absence_as_success(client: KubernetesClient, server: FakeServer) -> None:
    server.answers = [Answer({"kind": "Status"}), Answer({"kind": "Status", "message": "gone"}, status=404)]
    await client.delete(SERVICES, namespace="ns", name="fraud-0123456789")
    await client.delete(SERVICES, namespace="ns", name="fraud-0123456789", propagation="Foreground")
    first, second = server.requests
    assert (first.method, first.path) == ("DELETE", "/api/v1/namespaces/ns/services/fraud-0123456789")
    assert first.query == {"propagationPolicy": "Background"}
    assert second.query == {"propagationPolicy": "Foreground"}


async def test_get_gives_none_for_what_is_not_there(client: KubernetesClient, server: FakeServer) -> None:
    server.answers = [Answer({"kind": "HTTPRoute"}), Answer({"kind": "Status"}, status=404)]
    assert await client.get(HTTP_ROUTES, namespace="ns", name="a") == {"kind": "HTTPRoute"}
    assert await client.get(HTTP_ROUTES, namespace="ns", name="a") is None


async def test_list_follows_pages_and_names_the_kind_of_each_item(client: KubernetesClient, server: FakeServer) -> None:
    server.answers = [
        Answer({"metadata": {"continue": "token/1="}, "items": [{"metadata": {"name": "a"}}]}),
        Answer({"metadata": {}, "items": [{"metadata": {"name": "b"}}]}),
    ]
    items = await client.list(PODS, namespace=None, label_selector="modelrollout.dev/name in (a,b)")
    assert items == [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}},
    ]
    first, second = server.requests
    assert first.path == second.path == "/api/v1/pods"
    assert first.query == {"limit": "500", "labelSelector": "modelrollout.dev/name in (a,b)"}
    assert second.query == {**first.query, "continue": "token/1="}


async def test_list_of_one_namespace_without_items(client: KubernetesClient, server: FakeServer) -> None:
    server.answers = [Answer({"metadata": {}, "items": None})]
    assert await client.list(EVENTS, namespace="ns") == []
    assert server.requests[0].path == "/apis/events.k8s.io/v1/namespaces/ns/events"


async def test_a_name_cannot_leave_its_place_in_the_path(client: KubernetesClient, server: FakeServer) -> None:
    await client.get(PODS, namespace="ns", name="../secrets?x")
    assert server.requests[0].path == "/api/v1/namespaces/ns/pods/..%2Fsecrets%3Fx"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (408, Unreachable),
        (409, Conflict),
        (413, Invalid),
        (415, Invalid),
        (422, Invalid),
        (500, Unreachable),
        (503, Unreachable),
        (504, Unreachable),
    ],
)
async def test_each_refusal_is_its_own_error(
    client: KubernetesClient, server: FakeServer, status: int, kind: type[ApiError]
) -> None:
    server.answers = [Answer({"kind": "Status", "reason": "Because", "message": "a sentence"}, status=status)]
    with pytest.raises(ApiError) as caught:
        await client.apply(DEPLOYMENTS, deployment())
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.reason, caught.value.message) == (status, "Because", "a sentence")
    assert str(caught.value) == f"{status} Because: a sentence"
    assert len(server.requests) == 1, "nothing is tried twice"


async def test_a_refusal_of_no_known_sort_is_an_api_error(client: KubernetesClient, server: FakeServer) -> None:
    server.answers = [Answer({"reason": "Expired", "message": "continue token is too old"}, status=410)]
    with pytest.raises(ApiError) as caught:
        await client.list(PODS, namespace=None)
    assert type(caught.value) is ApiError


@pytest.mark.parametrize(
    "message",
    [
        'failed to create typed patch object (ns/a; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="x"]'
        ".livenesProbe: field not declared in schema",
        "failed to convert new object (ns/a; apps/v1, Kind=Deployment) to proper version: unable to convert "
        "unstructured object to apps/v1, Kind=Deployment: quantities must match the regular expression",
    ],
)
async def test_an_apply_that_breaks_the_schema_is_invalid_although_the_server_says_500(
    client: KubernetesClient, server: FakeServer, message: str
) -> None:
    server.answers = [Answer({"kind": "Status", "message": message}, status=500)]
    with pytest.raises(Invalid) as caught:
        await client.apply(DEPLOYMENTS, deployment())
    assert caught.value.message == message


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, 1.0), ({"Retry-After": "x"}, 1.0)])
async def test_too_many_requests_says_when_to_come_back(
    client: KubernetesClient, server: FakeServer, header: dict[str, str], seconds: float
) -> None:
    server.answers = [Answer({"reason": "TooManyRequests", "message": "busy"}, status=429, headers=header)]
    with pytest.raises(TooManyRequests) as caught:
        await client.get(PODS, namespace="ns", name="a")
    assert caught.value.retry_after_seconds == seconds
    assert str(caught.value) == "429 TooManyRequests: busy"


async def test_a_proxy_that_answers_in_html_is_quoted(client: KubernetesClient, server: FakeServer) -> None:
    server.answers = [Answer("<html>bad gateway</html>", status=502), Answer("<html>hello</html>"), Answer("[1]")]
    with pytest.raises(Unreachable, match="502 Bad Gateway: <html>bad gateway</html>"):
        await client.get(PODS, namespace="ns", name="a")
    with pytest.raises(Unreachable, match="not JSON: <html>hello</html>"):
        await client.get(PODS, namespace="ns", name="a")
    with pytest.raises(Unreachable, match=r"not an object: \[1\]"):
        await client.get(PODS, namespace="ns", name="a")


async def test_no_server_at_all(clock: ManualClock, unused_tcp_port: int) -> None:
    counted: list[tuple[str, str, str]] = []
    async with KubernetesClient(
        Configuration(host=f"http://127.0.0.1:{unused_tcp_port}"),
        clock=clock,
        on_request=lambda *request: counted.append(request),
    ) as client:
        with pytest.raises(Unreachable) as caught:
            await client.get(PODS, namespace="ns", name="a")
    assert caught.value.status == 0
    assert counted == [("get", "pods", "0")]


async def test_a_server_that_never_answers(server: FakeServer, clock: ManualClock) -> None:
    server.hang = asyncio.Event()
    async with KubernetesClient(
        Configuration(host=server.url), clock=clock, on_request=lambda *_: None, timeout_seconds=0.05
    ) as client:
        with pytest.raises(Unreachable, match="in time"):
            await client.get(PODS, namespace="ns", name="a")
    server.hang.set()


async def test_every_request_is_counted(
    client: KubernetesClient, server: FakeServer, counted: list[tuple[str, str, str]]
) -> None:
    server.answers = [Answer({}), Answer({}, status=409), Answer({}, status=404)]
    await client.apply(DEPLOYMENTS, deployment())
    with pytest.raises(Conflict):
        await client.patch_status(MODEL_DEPLOYMENTS, namespace="ns", name="a", resource_version="1", status={})
    await client.delete(SERVICES, namespace="ns", name="a")
    assert counted == [
        ("apply", "deployments", "200"),
        ("patch_status", "modeldeployments", "409"),
        ("delete", "services", "404"),
    ]


async def test_a_long_burst_of_writes_waits_and_the_lease_does_not(server: FakeServer, clock: ManualClock) -> None:
    async with KubernetesClient(
        Configuration(host=server.url), clock=clock, on_request=lambda *_: None, writes_per_second=2.0, write_burst=1
    ) as client:
        await client.apply(DEPLOYMENTS, deployment())
        waiting = asyncio.create_task(client.apply(DEPLOYMENTS, deployment()))
        await settle()
        await client.replace(LEASES, {"metadata": {"name": "l", "namespace": "ns"}})
        await client.get(PODS, namespace="ns", name="a")
        assert [request.method for request in server.requests] == ["PATCH", "PUT", "GET"]
        clock.advance(0.5)
        await waiting
    assert [request.method for request in server.requests] == ["PATCH", "PUT", "GET", "PATCH"]


async def test_token_bucket_gives_a_burst_and_then_the_rate() -> None:
    clock = ManualClock()
    bucket = TokenBucket(clock, per_second=10.0, burst=3)
    passed: list[float] = []

    async def taker() -> None:
        await bucket.take()
        passed.append(round(clock.monotonic() - 1000.0, 6))

    takers = [asyncio.create_task(taker()) for _ in range(6)]
    await clock.run(1.0)
    await asyncio.gather(*takers)
    assert passed == [0.0, 0.0, 0.0, 0.1, 0.2, 0.3]
    await clock.run(10.0)
    for _ in range(3):
        await bucket.take()
    assert clock.sleepers == 0, "a rest fills the bucket to its burst and not beyond"
    fourth = asyncio.create_task(bucket.take())
    await settle()
    assert not fourth.done()
    await clock.run(0.1)
    await fourth


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    shutil.copy(certifi.where(), tmp_path / "ca.crt")
    return tmp_path


ENVIRON = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}


async def test_a_rotated_token_is_read_again_within_a_minute(
    server: FakeServer, clock: ManualClock, service_account: Path
) -> None:
    configuration = in_cluster(folder=service_account, environ=ENVIRON, clock=clock)
    assert configuration.host == "https://[fd00::1]:443"
    configuration.host = server.url
    async with KubernetesClient(configuration, clock=clock, on_request=lambda *_: None) as client:

        async def token() -> str:
            await client.get(PODS, namespace="ns", name="a")
            return server.requests[-1].headers["authorization"]

        assert await token() == "Bearer first"
        (service_account / "token").write_text("second")
        clock.advance(59)
        assert await token() == "Bearer first"
        clock.set_wall(clock.now().replace(year=2020))
        clock.advance(1)
        assert await token() == "Bearer second"
        (service_account / "token").unlink()
        clock.advance(61)
        assert await token() == "Bearer second", "the last good token stays in use while the file is away"
        (service_account / "token").write_text("third")
        assert await token() == "Bearer third", "and is looked for again at once"


async def test_connect_prefers_the_service_account(clock: ManualClock, service_account: Path) -> None:
    client = await KubernetesClient.connect(
        clock=clock, on_request=lambda *_: None, environ=ENVIRON, service_account=service_account
    )
    await client.close()
    with pytest.raises(NotConfiguredError, match="Service host/port is not set"):
        await KubernetesClient.connect(
            clock=clock, on_request=lambda *_: None, environ={}, service_account=service_account
        )


async def test_connect_takes_a_kubeconfig_outside_of_a_cluster(
    server: FakeServer, clock: ManualClock, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                "users": [{"name": "u", "user": {"token": "mine"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    async with await KubernetesClient.connect(
        clock=clock,
        on_request=lambda *_: None,
        environ={"KUBECONFIG": str(kubeconfig)},
        service_account=tmp_path / "none",
    ) as client:
        await client.get(PODS, namespace="ns", name="a")
    assert server.requests[0].headers["authorization"] == "Bearer mine"


async def test_connect_without_either_says_what_is_missing(clock: ManualClock, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(NotConfiguredError, match=str(missing)):
        await KubernetesClient.connect(
            clock=clock,
            on_request=lambda *_: None,
            environ={"KUBECONFIG": str(missing)},
            service_account=tmp_path / "none",
        )
