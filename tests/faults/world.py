"""A cluster, its users and its operator in virtual time: a rollout of minutes takes a fraction of a second.

Beside what it does, the world watches what must never happen, at every write of anybody (`Watchdog`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from modelrollout.adapters.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    NETWORK_POLICIES,
    ROLLOUT_ACTIONS,
    SERVICES,
    JsonObject,
)
from modelrollout.adapters.prometheus import MetricsSource
from modelrollout.adapters.tracing import NO_TRACER, Tracer
from modelrollout.api.alerts import AlertPolicy
from modelrollout.api.gates import Gate
from modelrollout.api.group import API_VERSION, LABEL_NAME, MODEL_DEPLOYMENT, ROLLOUT_ACTION
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import StoredEvidence
from modelrollout.api.observe import Observe
from modelrollout.api.revision import child_name
from modelrollout.api.rollout import CanaryStage, ShadowStage, SoakStage, Stage
from modelrollout.api.rolloutaction import Verb
from modelrollout.evidence import GateEvidence
from modelrollout.plan.capacity import carried_weight
from modelrollout.plan.gates import restored
from tests import builders
from tests.builders import NAME, NAMESPACE, counted, id_of
from tests.clock import ManualClock, settle
from tests.faults.controllers import Controllers, cancelled
from tests.faults.direct import Line, Meddle
from tests.faults.modelserver import MemoryModelServer
from tests.faults.process import Delivery, Process, at_once
from tests.faults.prometheus import MemoryPrometheus
from tests.faults.registry import MemoryRegistry
from tests.faults.store import Change, Store
from tests.faults.traffic import Behaviour, Traffic

SHADOW = Stage(shadow=ShadowStage(min_requests=500, hold_for="3s"))
CANARY = Stage(canary=CanaryStage(weights=(10, 50), hold_for="3s"))
SOAK = Stage(soak=SoakStage(hold_for="5s"))
HELD_BACK = Stage(soak=SoakStage(hold_for="60s", holdback=20))
BAD = Behaviour(errors=0.05)


def brisk(
    version: str,
    *,
    route: bool = True,
    stages: tuple[Stage, ...] = (SHADOW, CANARY, SOAK),
    gates: tuple[Gate, ...] = (builders.ERRORS,),
    max_duration: str = "2h",
    replicas: int = 3,
    observe: Observe | None = None,
    alerts: tuple[AlertPolicy, ...] = (),
) -> ModelDeploymentSpec:
    """A policy whose rollout takes half a minute: evidence is looked at each second, and stages are short."""
    spec = builders.spec(
        version,
        route=route,
        stages=stages,
        gates=gates,
        max_duration=max_duration,
        replicas=replicas,
        observe=observe,
        alerts=alerts,
    )
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"interval": "1s", "warmup": "1s"})})


def manifest(spec: ModelDeploymentSpec, *, name: str = NAME, namespace: str = NAMESPACE) -> JsonObject:
    body = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


@dataclass
class Watchdog:
    """What was found that must never be. Looks at each change before anybody else can mend it."""

    store: Store
    traffic: Traffic
    faults: list[str] = field(default_factory=list)
    first_evidence: dict[str, StoredEvidence] = field(default_factory=dict)
    last_evidence: dict[str, StoredEvidence] = field(default_factory=dict)
    forgiven: float = 0.0
    """Lost requests that the test itself brought about."""
    deaf: bool = False
    """For a test that does itself what must never be."""

    def __call__(self, change: Change) -> None:
        if self.deaf:
            return
        if change.resource is HTTP_ROUTES and change.type != "DELETED":
            self._capacity_comes_before_weight(change.body)
        if change.resource is DEPLOYMENTS:
            self._stable_keeps_its_pods(change)
        if change.resource is MODEL_REVISIONS and change.type == "MODIFIED":
            self._nothing_counts_twice(change.body)

    def check(self) -> None:
        lost = 0 if self.deaf else self.traffic.lost() - self.forgiven
        assert not self.faults, "\n".join(self.faults)
        assert lost == 0, f"{lost:.0f} requests of users found no ready pod"

    def _capacity_comes_before_weight(self, route: JsonObject) -> None:
        namespace, name = route["metadata"]["namespace"], route["metadata"]["name"]
        replicas = self.store.get(MODEL_DEPLOYMENTS, namespace, name)["spec"]["serving"]["replicas"]
        for backend in route["spec"]["rules"][0]["backendRefs"]:
            deployment = self.store.find(DEPLOYMENTS, namespace, backend["name"])
            ready = (deployment or {}).get("status", {}).get("readyReplicas", 0)
            if backend["weight"] > carried_weight(ready=ready, replicas=replicas):
                self.faults.append(f"{backend['name']} got weight {backend['weight']} with {ready} ready pods")

    def _stable_keeps_its_pods(self, change: Change) -> None:
        metadata = change.body["metadata"]
        for owner in metadata.get("ownerReferences", []):
            deployment = self.store.find(MODEL_DEPLOYMENTS, metadata["namespace"], owner["name"])
            stable = (deployment or {}).get("status", {}).get("stable")
            if deployment is None or stable is None or metadata["name"] != child_name(owner["name"], stable):
                continue
            replicas = 0 if change.type == "DELETED" else change.body["spec"]["replicas"]
            if replicas < deployment["spec"]["serving"]["replicas"]:
                self.faults.append(f"the live version's {metadata['name']} was scaled down to {replicas}")

    def _nothing_counts_twice(self, body: JsonObject) -> None:
        """No total is above what was served since the revision was made, or since its first evidence was written."""
        written = (body.get("status") or {}).get("evidence")
        if written is None:
            return
        name, stored = body["metadata"]["name"], StoredEvidence.model_validate(written)
        first = self.first_evidence.get(name)
        if first is None or first.policy != stored.policy:
            first = self.first_evidence[name] = stored
        if stored == self.last_evidence.get(name):
            return
        self.last_evidence[name] = stored
        deployment = self.store.get(MODEL_DEPLOYMENTS, body["metadata"]["namespace"], body["spec"]["deployment"])
        since = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
        for arm, revision in (("candidate", body["spec"]["digest"][:10]), ("stable", deployment["status"]["stable"])):
            served = self.traffic.served(revision, stored.evaluated_at)
            most = min(
                max(0.0, served - self.traffic.served(revision, since)),
                _seen(first, arm) + served - self.traffic.served(revision, first.evaluated_at),
            )
            if _seen(stored, arm) > most + 1e-6:
                self.faults.append(f"{arm}: {_seen(stored, arm):.0f} requests counted, {most:.0f} were served")


def total(stored: StoredEvidence, arm: str) -> float:
    """Requests of one arm that were judged, by the evidence of a single gate."""
    gate = _gate(stored)
    return (gate.candidate if arm == "candidate" else gate.stable).total


def _gate(stored: StoredEvidence) -> GateEvidence:
    return counted(restored(stored, revision=""), stored.gates[0].name)


def _seen(stored: StoredEvidence, arm: str) -> float:
    """Those that wait for the other arm included."""
    gate = _gate(stored)
    waiting = gate.pending.candidate if arm == "candidate" else gate.pending.stable
    return total(stored, arm) + waiting.total


class TickingClock(ManualClock):
    """No two looks at it show the same time, as with a real one."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def now(self) -> datetime:
        self._looks += 1
        return super().now() + timedelta(microseconds=self._looks)


class World:
    def __init__(
        self,
        *,
        requests_per_second: float = 2000.0,
        source: MetricsSource | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self.clock = TickingClock()
        self.store = Store(self.clock)
        self.traffic = Traffic(self.store, self.clock, requests_per_second=requests_per_second)
        self.controllers = Controllers(self.store, self.clock)
        self.watchdog = Watchdog(self.store, self.traffic)
        self.store.listeners.append(self.watchdog)
        self.prometheus = MemoryPrometheus(self.traffic)
        self.source: MetricsSource = source or self.prometheus
        self.registry = MemoryRegistry(self.clock)
        self.tracer = tracer
        self.server = MemoryModelServer()
        self.meddle: Meddle = lambda *_: None
        self.lines: list[Line] = []
        self.processes: list[Process] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self.controllers.run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in list(self.processes):
            await self.end(process)
        await cancelled(*self._tasks)

    # People

    def apply(self, spec: ModelDeploymentSpec, *, name: str = NAME, namespace: str = NAMESPACE) -> None:
        self.store.apply(MODEL_DEPLOYMENTS, manifest(spec, name=name, namespace=namespace), manager="people")

    def ask(self, verb: Verb, *, name: str = NAME, by: str = "alice", **said: Any) -> JsonObject:
        """A RolloutAction; `said` goes into its spec."""
        number = len(self.store.look(ROLLOUT_ACTIONS)) + 1
        spec = {"deployment": name, "action": verb.value, "requestedBy": by, "reason": "the numbers look wrong", **said}
        metadata = {"name": f"{name}-{verb.lower()}-{number}", "namespace": NAMESPACE}
        body = {"apiVersion": API_VERSION, "kind": ROLLOUT_ACTION, "metadata": metadata, "spec": spec}
        return self.store.apply(ROLLOUT_ACTIONS, body, manager="people")

    # Processes

    async def start(self, *, deliver: Delivery = at_once) -> Process:
        line = Line(self.store, lambda request, moment: self.meddle(request, moment))
        process = Process(
            line,
            self.store,
            self.source,
            self.clock,
            deliver=deliver,
            registry=self.registry,
            server=self.server,
            tracer=self.tracer,
        )
        self.lines.append(line)
        self.processes.append(process)
        await process.start()
        return process

    async def end(self, process: Process) -> None:
        self.processes.remove(process)
        await process.end()

    # Time

    async def run(self, seconds: float) -> None:
        await self.clock.run(seconds)
        self.watchdog.check()

    async def until(self, condition: Callable[[], bool], *, within: float, step: float = 0.5) -> None:
        """Let time pass until it is so; AssertionError after so many seconds."""
        end = self.clock.monotonic() + within
        while not condition():
            assert self.clock.monotonic() < end, f"not within {within} s; the status is {self.status()}"
            await self.run(step)
            await settle()

    # What can be seen

    def status(self, name: str = NAME, namespace: str = NAMESPACE) -> JsonObject:
        status: JsonObject = self.store.get(MODEL_DEPLOYMENTS, namespace, name).get("status") or {}
        return status

    def condition(self, kind: str, name: str = NAME) -> JsonObject:
        found: JsonObject = next((c for c in self.status(name).get("conditions", []) if c["type"] == kind), {})
        return found

    def revision(self, spec: ModelDeploymentSpec, name: str = NAME) -> JsonObject:
        return self.store.get(MODEL_REVISIONS, NAMESPACE, child_name(name, id_of(spec)))

    def weight(self, spec: ModelDeploymentSpec) -> int:
        """The share of users' requests that this version gets by the route."""
        route = self.store.find(HTTP_ROUTES, NAMESPACE, NAME)
        backends = route["spec"]["rules"][0]["backendRefs"] if route else []
        return sum(to["weight"] for to in backends if to["name"] == child_name(NAME, id_of(spec)))

    def is_live(self, spec: ModelDeploymentSpec) -> bool:
        """Version `spec` serves users, no rollout is under way, and nothing is left of others."""
        status = self.status()
        return (
            status.get("stage") == "Live"
            and status.get("stable") == id_of(spec)
            and [body["metadata"]["name"] for body in self.store.look(DEPLOYMENTS)] == [child_name(NAME, id_of(spec))]
        )

    def picture(self) -> dict[str, Any]:
        """How things stand, without times and numbers: what must be the same however one got there.

        The states that a revision was in are left out: a process that dies between the two statuses of one step leaves
        its successor to take that step again, and the history says so.
        """
        status = self.status()
        parts = ("stage", "stable", "stableVersion", "candidate", "weight", "rejected")
        return {
            "status": {part: status.get(part) for part in parts},
            "conditions": {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]},
            "workloads": {b["metadata"]["name"]: b["spec"]["replicas"] for b in self.store.all(DEPLOYMENTS)},
            "services": {b["metadata"]["name"]: b["spec"]["selector"] for b in self.store.all(SERVICES)},
            "actions": {
                b["metadata"]["name"]: (b.get("status") or {}).get("outcome") for b in self.store.all(ROLLOUT_ACTIONS)
            },
            "copies": {
                b["metadata"]["name"]: b.get("data") for b in self.store.all(CONFIG_MAPS, label_selector=LABEL_NAME)
            },
            "policies": [b["metadata"]["name"] for b in self.store.all(NETWORK_POLICIES)],
            "routes": [b["spec"]["rules"] for b in self.store.all(HTTP_ROUTES)],
            "revisions": {
                b["metadata"]["name"]: (
                    b["status"]["state"],
                    [(d["outcome"], d["reason"], d["stage"], d["weight"]) for d in b["status"]["decisions"]],
                )
                for b in self.store.all(MODEL_REVISIONS)
            },
        }
