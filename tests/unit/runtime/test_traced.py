"""What a span says of a question and of a look, by the SDK's own exporter into memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from modelrollout.adapters.kubernetes import (
    DEPLOYMENTS,
    SECRETS,
    Conflict,
    JsonObject,
    KubernetesApi,
    NotFound,
    Unreachable,
)
from modelrollout.adapters.opentelemetry import OpenTelemetry
from modelrollout.adapters.prometheus import MetricsSource, PrometheusUnavailable, Series
from modelrollout.adapters.registry import NotInRegistry, Registry, RegistryRefused, RegistryUnavailable
from modelrollout.runtime.telemetry import Telemetry
from modelrollout.runtime.traced import LONGEST_QUERY, TracedApi, TracedRegistry, TracedSource
from modelrollout.runtime.workers import Workers
from tests.builders import NAMESPACE
from tests.clock import ManualClock
from tests.faults.direct import Line, Meddle
from tests.faults.registry import MemoryRegistry, registered
from tests.faults.store import Store
from tests.unit.runtime.parts import KEY, Parts, Script

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
BODY: JsonObject = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "fraud", "namespace": NAMESPACE},
    "spec": {"replicas": 1, "template": {}},
}


class Sent:
    """A tracer, and what it sends."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.tracer = OpenTelemetry(self._memory)

    async def spans(self) -> dict[str, ReadableSpan]:
        """By name; nothing is traced any more."""
        await self.tracer.close()
        return {span.name: span for span in self._memory.get_finished_spans()}


@pytest.fixture
async def sent() -> AsyncIterator[Sent]:
    sending = Sent()
    yield sending
    await sending.tracer.close()


def api(meddle: Meddle = lambda *_: None) -> KubernetesApi:
    return Line(Store(ManualClock()), meddle)


def attributes(span: ReadableSpan) -> dict[str, object]:
    return {key.removeprefix("modelrollout."): value for key, value in (span.attributes or {}).items()}


async def test_every_request_to_the_api_server_is_a_call_with_its_object(sent: Sent) -> None:
    asked = TracedApi(api(), sent.tracer)

    made = await asked.create(DEPLOYMENTS, BODY)
    await asked.apply(DEPLOYMENTS, BODY)
    await asked.replace(DEPLOYMENTS, {**(await asked.get(DEPLOYMENTS, namespace=NAMESPACE, name="fraud") or made)})
    version = (await asked.list(DEPLOYMENTS, namespace=NAMESPACE))[0]["metadata"]["resourceVersion"]
    await asked.patch_status(
        DEPLOYMENTS, namespace=NAMESPACE, name="fraud", resource_version=version, status={"readyReplicas": 1}
    )
    await asked.delete(DEPLOYMENTS, namespace=NAMESPACE, name="fraud")

    spans = await sent.spans()
    verbs = ("create", "apply", "replace", "get", "list", "patch_status", "delete")
    assert sorted(spans) == sorted(f"kubernetes {verb}" for verb in verbs)
    of_one = {"resource": "deployments", "k8s.namespace.name": NAMESPACE, "object": "fraud", "result": "success"}
    for name, span in spans.items():
        assert span.kind is SpanKind.CLIENT
        assert attributes(span).items() == {key: of_one[key] for key in attributes(span)}.items(), name
        assert ("object" in attributes(span)) is (name != "kubernetes list")


@pytest.mark.parametrize(
    "error", [Conflict(409, "Conflict", "changed"), NotFound(404, "NotFound", "no"), Unreachable(0, "Timeout", "late")]
)
async def test_a_refusal_is_named_and_goes_on_to_the_one_who_asked(sent: Sent, error: Exception) -> None:
    def meddle(*_: object) -> None:
        raise error

    with pytest.raises(type(error)):
        await TracedApi(api(meddle), sent.tracer).apply(DEPLOYMENTS, BODY)

    (span,) = (await sent.spans()).values()
    assert attributes(span)["result"] == type(error).__name__
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, str(error))


async def test_what_is_not_there_is_an_answer(sent: Sent) -> None:
    assert await TracedApi(api(), sent.tracer).get(SECRETS, namespace=NAMESPACE, name="key") is None

    (span,) = (await sent.spans()).values()
    assert attributes(span)["result"] == "success"


async def test_a_query_has_its_text_and_how_many_series_there_were(sent: Sent) -> None:
    source: MetricsSource = TracedSource(Script(counters={"fraud-1": (10, 1)}), sent.tracer)

    assert len(await source.instant("up" * LONGEST_QUERY, AT)) == 2
    assert await source.range("up", begin=AT, end=AT, step_seconds=30) == ()

    spans = await sent.spans()
    assert attributes(spans["prometheus instant"]) == {
        "query": ("up" * LONGEST_QUERY)[:LONGEST_QUERY],
        "series": 2,
        "result": "success",
    }
    assert attributes(spans["prometheus range"]) == {"query": "up", "series": 0, "result": "success"}


async def test_a_query_without_answer_says_why(sent: Sent) -> None:
    with pytest.raises(PrometheusUnavailable):
        await TracedSource(Script(down="no route to host"), sent.tracer).instant("up", AT)

    (span,) = (await sent.spans()).values()
    assert attributes(span) == {"query": "up", "result": "unavailable"}
    assert span.status.description == "no route to host"


async def test_whoever_gives_up_leaves_a_question_unanswered(sent: Sent) -> None:
    class Silent:
        async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
            raise TimeoutError

        range = None

    with pytest.raises(TimeoutError):
        await TracedSource(Silent(), sent.tracer).instant("up", AT)  # type: ignore[arg-type]

    (span,) = (await sent.spans()).values()
    assert attributes(span)["result"] == "unanswered"


CALLS: dict[str, Callable[[Registry], Awaitable[object]]] = {
    "aliases": lambda registry: registry.aliases("fraud"),
    "version": lambda registry: registry.version("fraud", "7"),
    "metrics": lambda registry: registry.metrics("fraud", "7"),
    "set_alias": lambda registry: registry.set_alias("fraud", "champion", "7"),
    "delete_alias": lambda registry: registry.delete_alias("fraud", "champion"),
    "set_tag": lambda registry: registry.set_tag("fraud", "7", key="live", value="yes"),
}


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_of_the_registry_has_its_model_and_result(sent: Sent, call: str) -> None:
    memory = MemoryRegistry(ManualClock())
    memory.register(registered("7"))
    memory.alias["fraud", "champion"] = "7"

    await CALLS[call](TracedRegistry(memory, sent.tracer))

    assert {name: attributes(span) for name, span in (await sent.spans()).items()} == {
        f"registry {call}": {"model": "fraud", "result": "success"}
    }


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (RegistryUnavailable("away"), "RegistryUnavailable"),
        (NotInRegistry("no such"), "ModelMissing"),
        (RegistryRefused("no"), "RegistryRefused"),
    ],
)
async def test_a_registry_that_fails_is_told_of_by_its_reason(sent: Sent, error: Exception, result: str) -> None:
    memory = MemoryRegistry(ManualClock())

    def fault(_: str) -> None:
        raise error

    memory.fault = fault
    with pytest.raises(type(error)):
        await TracedRegistry(memory, sent.tracer).aliases("fraud")

    (span,) = (await sent.spans()).values()
    assert (attributes(span)["result"], span.status.description) == (result, str(error))


class Broken:
    """In place of a reconciler."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def reconcile(self, *_: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Conflict(409, "Conflict", "changed"), "conflict"),
        (Unreachable(503, "Unavailable", "away"), "error"),
        (TimeoutError(), "deadline"),
        (RuntimeError("a bug"), "fault"),
    ],
)
async def test_a_look_that_fails_says_how(sent: Sent, error: Exception, result: str) -> None:
    parts = Parts()
    workers = Workers(
        queue=parts.queue,
        reconciler=Broken(error),  # type: ignore[arg-type]
        clock=parts.clock,
        telemetry=Telemetry(),
        tracer=sent.tracer,
    )

    await workers.process(KEY)

    (span,) = (await sent.spans()).values()
    assert attributes(span) == {"k8s.namespace.name": KEY[0], "name": KEY[1], "result": result}
    assert span.status.status_code is StatusCode.ERROR
    await parts.queue.close()
