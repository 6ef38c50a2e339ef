"""From a tick of the metrics hub to what each arm served since the last one.

Only warm pods count: a model that has just been loaded is slow and sometimes refuses, and calling that harm would roll
back every good release. A pod joins when it has been ready for the policy's warm-up; its first reading is a baseline.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelrollout.adapters.queries import PodSelector, bounds, counts, family
from modelrollout.api.base import seconds
from modelrollout.api.gates import Gate
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.revision import child_name
from modelrollout.evidence import Counts, Interval, carry, difference
from modelrollout.plan.observation import PodView, Reading
from modelrollout.runtime.hub import Subscription, Tick
from modelrollout.runtime.ledger import Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Whose pod is whose, by the name that the ReplicaSet gave it."""

    candidate: str
    stable: str

    @classmethod
    def of(cls, deployment: str, *, candidate: str, stable: str) -> "Arms":
        return cls(candidate=child_name(deployment, candidate) + "-", stable=child_name(deployment, stable) + "-")

    def candidates(self, pods: Mapping[str, Counts]) -> dict[str, Counts]:
        return {pod: counts for pod, counts in pods.items() if pod.startswith(self.candidate)}

    def stables(self, pods: Mapping[str, Counts]) -> dict[str, Counts]:
        return {pod: counts for pod, counts in pods.items() if pod.startswith(self.stable)}


def subscription(namespace: str, name: str, spec: ModelDeploymentSpec) -> Subscription:
    families = frozenset(family(spec.serving.server, gate.signal) for gate in spec.rollout.gates)
    return Subscription(
        interval_seconds=seconds(spec.rollout.interval),
        selector=PodSelector(namespace=namespace, deployment=name),
        families=families,
    )


def warm(pods: Iterable[PodView], *, warmup: str, at: datetime) -> frozenset[str]:
    """Names of the pods that had been ready for the warm-up at that time."""
    age = timedelta(seconds=seconds(warmup))
    return frozenset(pod.name for pod in pods if pod.ready_since is not None and pod.ready_since + age <= at)


def counters(
    tick: Tick, *, namespace: str, spec: ModelDeploymentSpec, known: Counters, warm_pods: frozenset[str]
) -> tuple[Counters, dict[str, str]]:
    """Cumulative counts, gate by gate, of the pods that are warm or were counted before; and why a gate has none."""
    read: dict[str, dict[str, Counts]] = {}
    missing: dict[str, str] = {}
    for gate in spec.rollout.gates:
        series = tick.readings.get(family(spec.serving.server, gate.signal), {})
        wanted = warm_pods | known.get(gate.name, {}).keys()
        by_pod = {pod: values for (where, pod), values in series.items() if where == namespace and pod in wanted}
        read[gate.name] = {pod: found for pod, values in by_pod.items() if (found := _counts(gate, values)) is not None}
        if by_pod and not read[gate.name]:
            missing[gate.name] = _no_such_bound(gate, by_pod)
        if not by_pod and known.get(gate.name):
            missing[gate.name] = f"gate {gate.name}: Prometheus has no series any more of the pods that it had before"
    return read, missing


def reading(
    *, at: datetime, previous: Counters, current: Counters, missing: Mapping[str, str], arms: Arms
) -> tuple[Reading, Counters]:
    """What was served since `previous`, and the baseline for the next time."""
    intervals = {
        gate: Interval(
            candidate=difference(previous=previous.get(gate, {}), current=arms.candidates(pods)),
            stable=difference(previous=previous.get(gate, {}), current=arms.stables(pods)),
        )
        for gate, pods in current.items()
    }
    baseline = {gate: carry(previous=previous.get(gate, {}), current=pods) for gate, pods in current.items()}
    return Reading(at=at, intervals=intervals, missing=missing), baseline


def _counts(gate: Gate, values: Mapping[str, float]) -> Counts | None:
    return counts(gate.signal, seconds(gate.over) if gate.over else None, values)


def _no_such_bound(gate: Gate, by_pod: Mapping[str, Mapping[str, float]]) -> str:
    found = ", ".join(f"{bound:g}s" for bound in bounds(next(iter(by_pod.values()))))
    return f"gate {gate.name}: the server has no bucket that ends at {gate.over}; it has {found}"
