"""What the operator tells of its work in traces: one span for each look at a ModelDeployment, with what came of it, and
one for each question that it asks of another system.

A question that a look asks is a child of it. Prometheus is asked for all rollouts at once, so its queries are children
of a `tick`; `read_at` of a look names the tick that its evidence was read in. Systems are wrapped here and not taught
to trace themselves: an operator that sends no traces has the bare clients.

| span | attributes | what it is |
|---|---|---|
| `reconcile` | `namespace`, `name`, `result`, `stage`, `revision`, `weight`, `reason`, `read_at` | one look |
| `reconcile` that decides | also `outcome`, `decision`; and an event `decision` for each, with its message | |
| `tick` | `rollouts`, `read_at` | one reading of metrics for all rollouts that are due |
| `prometheus instant`, `range` | `query`, `series`, `result` | one query |
| `kubernetes get`, `apply`, … | `resource`, `namespace`, `object`, `result` | one request to the API server |
| `registry version`, `set_alias`, … | `model`, `result` | one question to the model registry |
"""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime

from modelrollout.adapters.kubernetes import ApiError, JsonObject, KubernetesApi, Propagation, Resource
from modelrollout.adapters.prometheus import History, MetricsSource, PrometheusUnavailable, Series
from modelrollout.adapters.registry import Registry, RegistryError
from modelrollout.adapters.tracing import Span, Tracer
from modelrollout.api.conditions import Condition, ConditionType
from modelrollout.api.modelrevision import DecisionRecord
from modelrollout.plan import Observation, Plan
from modelrollout.plan.observation import Reading
from modelrollout.plan.registered import Registered

LONGEST_QUERY = 1000
"""Characters of a query that a span keeps: one for hundreds of rollouts is as long as a URL may be."""

UNANSWERED = "unanswered"
"""What a question ends with when whoever asked it gave up."""


def planned(span: Span, observation: Observation, plan: Plan) -> None:
    """How things stand, and shall stand, by what this look has found."""
    status, reading = plan.status, observation.reading
    span.set(
        stage=status.stage,
        revision=status.candidate or status.stable,
        weight=status.weight,
        reason=reason_of(status.conditions),
        read_at=told(reading.at) if isinstance(reading, Reading) else None,
    )


def decided(span: Span, record: DecisionRecord) -> None:
    """Once it is written: a decision whose writes fail is made again, by another look."""
    span.set(outcome=record.outcome, decision=record.reason)
    span.event(
        "decision",
        outcome=record.outcome,
        decision=record.reason,
        stage=record.stage,
        weight=record.weight,
        message=record.message,
    )


def reason_of(conditions: tuple[Condition, ...]) -> str | None:
    return next((one.reason for one in conditions if one.type == ConditionType.READY), None)


def told(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


class TracedApi:
    """`KubernetesApi` with a span for each request."""

    def __init__(self, api: KubernetesApi, tracer: Tracer) -> None:
        self._api = api
        self._tracer = tracer

    async def list(self, resource: Resource, *, namespace: str | None, label_selector: str = "") -> list[JsonObject]:
        with self._asking("list", resource, namespace):
            return await self._api.list(resource, namespace=namespace, label_selector=label_selector)

    async def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None:
        with self._asking("get", resource, namespace, name):
            return await self._api.get(resource, namespace=namespace, name=name)

    async def apply(self, resource: Resource, body: JsonObject) -> JsonObject:
        with self._writing("apply", resource, body):
            return await self._api.apply(resource, body)

    async def patch_status(
        self, resource: Resource, *, namespace: str, name: str, resource_version: str, status: JsonObject
    ) -> JsonObject:
        with self._asking("patch_status", resource, namespace, name):
            return await self._api.patch_status(
                resource, namespace=namespace, name=name, resource_version=resource_version, status=status
            )

    async def delete(
        self, resource: Resource, *, namespace: str | None, name: str, propagation: Propagation = "Background"
    ) -> None:
        with self._asking("delete", resource, namespace, name):
            await self._api.delete(resource, namespace=namespace, name=name, propagation=propagation)

    async def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        with self._writing("create", resource, body):
            return await self._api.create(resource, body)

    async def replace(self, resource: Resource, body: JsonObject) -> JsonObject:
        with self._writing("replace", resource, body):
            return await self._api.replace(resource, body)

    def _writing(self, verb: str, resource: Resource, body: JsonObject) -> contextlib.AbstractContextManager[None]:
        metadata = body["metadata"]
        return self._asking(verb, resource, metadata.get("namespace"), metadata.get("name"))

    @contextlib.contextmanager
    def _asking(self, verb: str, resource: Resource, namespace: str | None, name: str | None = None) -> Iterator[None]:
        title = f"kubernetes {verb}"
        with self._tracer.call(
            title, resource=resource.plural, namespace=namespace, object=name, result=UNANSWERED
        ) as span:
            try:
                yield
            except ApiError as error:
                span.set(result=type(error).__name__)
                span.fail(str(error))
                raise
            span.set(result="success")


class TracedSource:
    """`MetricsSource` with a span for each query."""

    def __init__(self, source: MetricsSource, tracer: Tracer) -> None:
        self._source = source
        self._tracer = tracer

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        with self._asking("prometheus instant", query) as span:
            series = await self._source.instant(query, at)
            span.set(series=len(series))
            return series

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        with self._asking("prometheus range", query) as span:
            series = await self._source.range(query, begin=begin, end=end, step_seconds=step_seconds)
            span.set(series=len(series))
            return series

    @contextlib.contextmanager
    def _asking(self, title: str, query: str) -> Iterator[Span]:
        with self._tracer.call(title, query=query[:LONGEST_QUERY], result=UNANSWERED) as span:
            try:
                yield span
            except PrometheusUnavailable as error:
                span.set(result="unavailable")
                span.fail(error.reason)
                raise
            span.set(result="success")


class TracedRegistry:
    """`Registry` with a span for each call."""

    def __init__(self, registry: Registry, tracer: Tracer) -> None:
        self._registry = registry
        self._tracer = tracer

    async def aliases(self, model: str) -> Mapping[str, str]:
        with self._asking("aliases", model):
            return await self._registry.aliases(model)

    async def version(self, model: str, version: str) -> Registered:
        with self._asking("version", model):
            return await self._registry.version(model, version)

    async def metrics(self, model: str, version: str) -> Mapping[str, float]:
        with self._asking("metrics", model):
            return await self._registry.metrics(model, version)

    async def set_alias(self, model: str, alias: str, version: str) -> None:
        with self._asking("set_alias", model):
            await self._registry.set_alias(model, alias, version)

    async def delete_alias(self, model: str, alias: str) -> None:
        with self._asking("delete_alias", model):
            await self._registry.delete_alias(model, alias)

    async def set_tag(self, model: str, version: str, *, key: str, value: str) -> None:
        with self._asking("set_tag", model):
            await self._registry.set_tag(model, version, key=key, value=value)

    async def close(self) -> None:
        await self._registry.close()

    @contextlib.contextmanager
    def _asking(self, call: str, model: str) -> Iterator[None]:
        with self._tracer.call(f"registry {call}", model=model, result=UNANSWERED) as span:
            try:
                yield
            except RegistryError as error:
                span.set(result=error.reason)
                span.fail(str(error))
                raise
            span.set(result="success")
