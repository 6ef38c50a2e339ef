"""Parts of the runtime on a store in memory, for tests that look at one of them."""

from dataclasses import dataclass, field
from datetime import datetime

from modelrollout.adapters.kubernetes import DEPLOYMENTS, MODEL_DEPLOYMENTS, MODEL_REVISIONS, JsonObject
from modelrollout.adapters.prometheus import History, PrometheusUnavailable, Series
from modelrollout.api.group import FIELD_MANAGER
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import ModelRevisionStatus
from modelrollout.api.revision import child_name
from modelrollout.children import Owner, entry_manifest, revision_manifest, service_manifest, workload_manifest
from modelrollout.plan.observation import Observation
from modelrollout.runtime.cache import WATCHED, Cache
from modelrollout.runtime.history import Histories
from modelrollout.runtime.hub import MetricsHub
from modelrollout.runtime.ledger import Ledger
from modelrollout.runtime.queue import Key, WorkQueue
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.registry_link import RegistryLink
from modelrollout.runtime.telemetry import Telemetry
from modelrollout.runtime.verifier import Verifier
from tests.builders import NAME, NAMESPACE, rolling
from tests.clock import ManualClock
from tests.faults.direct import Line
from tests.faults.modelserver import MemoryModelServer
from tests.faults.store import Store
from tests.faults.world import manifest

KEY: Key = (NAMESPACE, NAME)


@dataclass
class Script:
    """Prometheus: `counters` of each pod as (all, bad), the same at all times, or why there is no answer."""

    counters: dict[str, tuple[float, float]] = field(default_factory=dict)
    down: str | None = None
    asked: list[datetime] = field(default_factory=list)
    history: tuple[History, ...] = ()
    ranges: list[tuple[datetime, datetime]] = field(default_factory=list)

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        self.ranges.append((begin, end))
        if self.down is not None:
            raise PrometheusUnavailable(self.down)
        return self.history

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        self.asked.append(at)
        if self.down is not None:
            raise PrometheusUnavailable(self.down)
        return tuple(
            Series({"namespace": NAMESPACE, "pod": pod, "status_code": code}, value)
            for pod, (total, bad) in self.counters.items()
            for code, value in (("200", total - bad), ("500", bad))
        )


class Parts:
    """A reconciler and all that it works with; `line.log` is what it asked of the API server."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Store(self.clock)
        self.line = Line(self.store)
        self.cache, self.ledger, self.telemetry = Cache(), Ledger(), Telemetry()
        self.queue = WorkQueue(self.clock)
        self.prometheus = Script()
        self.hub = MetricsHub(self.prometheus, self.clock, self.queue.add)
        self.registry = RegistryLink(cache=self.cache, clock=self.clock, wake=self.queue.add)
        self.server = MemoryModelServer()
        self.verifier = Verifier(self.server, self.clock, self.queue.add)
        self.reconciler = Reconciler(
            api=self.line,
            cache=self.cache,
            ledger=self.ledger,
            hub=self.hub,
            histories=Histories(self.prometheus),
            verifier=self.verifier,
            clock=self.clock,
            telemetry=self.telemetry,
            registry=self.registry,
        )

    def hear(self) -> None:
        """The watches bring everything up to now."""
        for resource in WATCHED:
            for body in self.store.look(resource):
                self.cache.put(resource, body)

    def apply(self, spec: ModelDeploymentSpec) -> JsonObject:
        return self.store.apply(MODEL_DEPLOYMENTS, manifest(spec), manager="people")

    def roll(self, spec: ModelDeploymentSpec, given: Observation | None = None, **rolling_: object) -> Observation:
        """The store as `builders.rolling` describes it, heard of."""
        seen = given or rolling(spec, **rolling_)  # type: ignore[arg-type]
        body = self.apply(spec)
        owner = Owner(namespace=NAMESPACE, name=NAME, uid=body["metadata"]["uid"])
        status = seen.status.model_dump(mode="json", by_alias=True)
        self.store.patch_status(MODEL_DEPLOYMENTS, namespace=NAMESPACE, name=NAME, status=status)
        self.cache.put(MODEL_DEPLOYMENTS, self.store.get(MODEL_DEPLOYMENTS, NAMESPACE, NAME))
        for view in seen.revisions.values():
            self._revision(owner, seen, view.id)
        if seen.entry is not None:
            self._ours(entry_manifest(owner, selector=seen.entry.selector, port=seen.entry.port))
        self.hear()
        return seen

    def _revision(self, owner: Owner, seen: Observation, id: str) -> None:
        view = seen.revisions[id]
        body = {
            **revision_manifest(owner, seen.spec),
            "metadata": owner.metadata(child_name(NAME, id), revision=id),
            "spec": view.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
        }
        self._ours(body)
        self.write(id, view.status)
        if view.workload is not None:
            self._ours(service_manifest(owner, view.spec))
            self._ours(workload_manifest(owner, view.spec, replicas=view.workload.replicas))
            ready = {"readyReplicas": view.workload.ready}
            self.store.patch_status(DEPLOYMENTS, namespace=NAMESPACE, name=child_name(NAME, id), status=ready)

    def write(self, id: str, status: ModelRevisionStatus) -> None:
        """As another process would."""
        written = status.model_dump(mode="json", by_alias=True)
        self.store.patch_status(MODEL_REVISIONS, namespace=NAMESPACE, name=child_name(NAME, id), status=written)

    def _ours(self, body: JsonObject) -> None:
        resource = next(one for one in WATCHED if one.kind == body["kind"])
        self.store.apply(resource, body, manager=FIELD_MANAGER)

    @property
    def writes(self) -> list[str]:
        return [str(request) for request in self.line.log if request.is_write]

    def status(self) -> JsonObject:
        status: JsonObject = self.store.get(MODEL_DEPLOYMENTS, NAMESPACE, NAME).get("status") or {}
        return status
