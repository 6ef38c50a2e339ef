"""From a tick of the metrics hub to what each arm served since the last one.

Only warm pods count: a model that has just been loaded is slow and sometimes refuses, and calling that harm would roll
back every good release. A pod joins when it has been ready for the policy's warm-up; its first reading is a baseline.
A gateway does not tell pods apart, so its counters rest while any pod that serves is cold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from modelrollout.adapters.families import Source
from modelrollout.adapters.library.observer import NOISE_PAIRS, PAIRS
from modelrollout.adapters.promql import Arm
from modelrollout.adapters.queries import PodSelector, bins, bounds, buckets, counts, family, pairs
from modelrollout.api.base import seconds
from modelrollout.api.gates import Gate, Signal
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.evidence import (
    Bins,
    Counts,
    Interval,
    Level,
    Levels,
    Observed,
    Spread,
    difference,
    difference_of_bins,
)
from modelrollout.plan.observation import PodView, Reading
from modelrollout.runtime import questions
from modelrollout.runtime.hub import Subscription, Tick
from modelrollout.runtime.ledger import Counters, Cumulative
from modelrollout.runtime.restarts import minutes

Counted = TypeVar("Counted", Counts, Bins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Whose pod is whose, by the name that the ReplicaSet gave it."""

    candidate: Arm
    stable: Arm

    @classmethod
    def of(cls, namespace: str, deployment: str, *, candidate: str, stable: str) -> "Arms":
        return cls(
            candidate=Arm(namespace=namespace, name=deployment, revision=candidate),
            stable=Arm(namespace=namespace, name=deployment, revision=stable),
        )

    @property
    def both(self) -> tuple[Arm, Arm]:
        return self.candidate, self.stable


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that a reading is made from. `pods` are those of all revisions."""

    tick: Tick
    spec: ModelDeploymentSpec
    arms: Arms
    pods: tuple[PodView, ...]

    @property
    def warm(self) -> frozenset[str]:
        return warm(self.pods, warmup=self.spec.rollout.warmup, at=self.tick.at)

    @property
    def all_warm(self) -> bool:
        """Whether no pod of either arm serves that is not warm yet."""
        starting = {pod.name for pod in self.pods if pod.ready_since is not None} - self.warm
        ours = tuple(arm.child + "-" for arm in self.arms.both)
        return not any(pod.startswith(ours) for pod in starting)


@dataclass(slots=True)
class Found:
    """Cumulative counts, gate by gate; numbers of gates that count nothing; and why a gate has neither.

    `cold` are gates whose former counts are no baseline any more.
    """

    counters: dict[str, dict[str, Cumulative]] = field(default_factory=dict)
    numbers: dict[str, Levels | Level] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    cold: set[str] = field(default_factory=set)


def subscription(namespace: str, name: str, spec: ModelDeploymentSpec, arms: Arms) -> Subscription:
    """All that the gates need of Prometheus."""
    families = {
        family(spec.serving.server, gate.signal)
        for gate in spec.rollout.gates
        if gate.signal is not None and gate.query is None and gate.signal is not Signal.RESTARTS
    }
    asked = {question for gate in spec.rollout.gates for question in questions.of(gate, arms.both)}
    return Subscription(
        interval_seconds=seconds(spec.rollout.interval),
        selector=PodSelector(namespace=namespace, deployment=name),
        families=frozenset(families),
        questions=frozenset(asked),
    )


def warm(pods: Iterable[PodView], *, warmup: str, at: datetime) -> frozenset[str]:
    """Names of the pods that had been ready for the warm-up at that time."""
    age = timedelta(seconds=seconds(warmup))
    return frozenset(pod.name for pod in pods if pod.ready_since is not None and pod.ready_since + age <= at)


def find(look: Look, *, known: Counters) -> Found:
    """What each gate can be judged by at this tick; `known` are the counts of the last one."""
    found = Found()
    for gate in look.spec.rollout.gates:
        before = known.get(gate.name, {})
        _find(gate, look, before, found)
        explained = gate.name in found.cold or gate.name in found.missing
        if before and not found.counters.get(gate.name) and not explained and gate.signal is not Signal.RESTARTS:
            found.missing[gate.name] = (
                f"gate {gate.name}: Prometheus has no series any more of the pods that it had before"
            )
    return found


def _find(gate: Gate, look: Look, known: Mapping[str, Cumulative], found: Found) -> None:
    warm_or_known = look.warm | known.keys()
    match gate.signal:
        case Signal.ERRORS | Signal.LATENCY:
            _built_in(gate, look, warm_or_known, found)
        case Signal.AGREEMENT:
            found.counters[gate.name] = _pairs(gate, look)
        case Signal.DISTRIBUTION if gate.query is None:
            found.counters[gate.name] = _answers(gate, look)
        case Signal.RESTARTS:
            found.counters[gate.name] = minutes(look.pods, at=look.tick.at, known=known)
        case Signal.SATURATION if gate.query is None:
            _gauge_of_server(gate, look, found)
        case Signal.SATURATION | Signal.THRESHOLD:
            worst = min if gate.min is not None else max
            value = questions.value(gate, look.tick, look.arms.candidate, warm=look.warm, over_pods=worst)
            if isinstance(value, str):
                found.missing[gate.name] = value
            else:
                found.numbers[gate.name] = Level(value=value, at=look.tick.at.timestamp())
        case Signal.GAUGE:
            _gauge(gate, look, found)
        case Signal.QUERY | Signal.QUALITY | Signal.OUTCOME | Signal.DISTRIBUTION:
            read = questions.counters(gate, look.tick, look.arms.both, wanted=warm_or_known, known=known)
            if isinstance(read, str):
                found.missing[gate.name] = read
            else:
                found.counters[gate.name] = read
        case None:
            found.missing[gate.name] = f"gate {gate.name}: its template was not read"


def _built_in(gate: Gate, look: Look, wanted: Iterable[str], found: Found) -> None:
    assert gate.signal is not None
    source = family(look.spec.serving.server, gate.signal)
    by_pod = _series(gate, look)
    if source.source is Source.ENVOY:
        if not look.all_warm:
            found.counters[gate.name] = {}
            found.cold.add(gate.name)
            return
    else:
        by_pod = {pod: values for pod, values in by_pod.items() if pod in wanted}
    read: dict[str, Cumulative] = {}
    for pod, values in by_pod.items():
        one: Cumulative | None
        if gate.signal is Signal.LATENCY and gate.over is None:
            one = buckets(values, unit_seconds=source.unit_seconds)
        else:
            one = counts(source, gate.signal, seconds(gate.over) if gate.over else None, values)
        if one is not None:
            read[pod] = one
    found.counters[gate.name] = read
    if by_pod and not read:
        known_bounds = ", ".join(f"{bound:g}s" for bound in bounds(source, next(iter(by_pod.values()))))
        found.missing[gate.name] = (
            f"gate {gate.name}: the server has no bucket that ends at {gate.over}; it has {known_bounds or 'none'}"
        )


def _series(gate: Gate, look: Look) -> dict[str, Mapping[str, float]]:
    """The gate's built-in family, by pods of the two arms."""
    assert gate.signal is not None
    ours = tuple(arm.child + "-" for arm in look.arms.both)
    series = look.tick.readings.get(family(look.spec.serving.server, gate.signal), {})
    namespace = look.arms.candidate.namespace
    return {pod: values for (where, pod), values in series.items() if where == namespace and pod.startswith(ours)}


def _pairs(gate: Gate, look: Look) -> dict[str, Cumulative]:
    """Pairs and noise pairs, by pods of the observer, under names of the two arms; no pod of it needs to be warm."""
    candidate, stable = look.arms.both
    source = family(look.spec.serving.server, Signal.AGREEMENT)
    read: dict[str, Cumulative] = {}
    for (namespace, pod), values in look.tick.readings.get(source, {}).items():
        if namespace != candidate.namespace:
            continue
        counted = pairs(values, candidate=candidate.revision, live=stable.revision, output=gate.output or "")
        for arm, counter in ((candidate, PAIRS), (stable, NOISE_PAIRS)):
            if counter in counted:
                read[f"{arm.child}-{pod}"] = counted[counter]
    return read


def _answers(gate: Gate, look: Look) -> dict[str, Cumulative]:
    """How the answers of both versions are spread, by pods of the observer; both answered the same requests there."""
    source = family(look.spec.serving.server, Signal.DISTRIBUTION)
    read: dict[str, Cumulative] = {}
    for (namespace, pod), values in look.tick.readings.get(source, {}).items():
        for arm in look.arms.both if namespace == look.arms.candidate.namespace else ():
            counted = bins(values, revision=arm.revision, output=gate.output or "")
            if counted is not None:
                read[f"{arm.child}-{pod}"] = counted
    return read


def _gauge_of_server(gate: Gate, look: Look, found: Found) -> None:
    """The largest of the candidate's pods."""
    mine = look.arms.candidate.child + "-"
    values = [max(values.values()) for pod, values in _series(gate, look).items() if pod.startswith(mine) and values]
    if values:
        found.numbers[gate.name] = Level(value=max(values), at=look.tick.at.timestamp())
    else:
        found.missing[gate.name] = f"gate {gate.name}: no pod of the candidate exports this gauge"


def _gauge(gate: Gate, look: Look, found: Found) -> None:
    def mean(values: Iterable[float]) -> float:
        listed = list(values)
        return sum(listed) / len(listed)

    candidate, stable = (
        questions.value(gate, look.tick, arm, warm=look.warm, over_pods=mean) for arm in look.arms.both
    )
    if isinstance(candidate, str) or isinstance(stable, str):
        found.missing[gate.name] = candidate if isinstance(candidate, str) else str(stable)
    else:
        found.numbers[gate.name] = Levels(candidate=candidate, stable=stable, at=look.tick.at.timestamp())


def reading(look: Look, *, previous: Counters) -> tuple[Reading, Counters]:
    """What was served since `previous`, and the baseline for the next time."""
    found = find(look, known=previous)
    intervals: dict[str, Observed] = dict(found.numbers)
    baseline: dict[str, Mapping[str, Cumulative]] = {}
    for gate in look.spec.rollout.gates:
        before = {} if gate.name in found.cold else previous.get(gate.name, {})
        pods = found.counters.get(gate.name)
        if pods is None:
            baseline[gate.name] = before
            continue
        comparable = {pod: counted for pod, counted in before.items() if not _restated(pod, counted, pods.get(pod))}
        intervals[gate.name] = (
            _spread(comparable, pods, look.arms, of_a_set=_is_of_a_set(gate))
            if _is_shape(gate)
            else _interval(comparable, pods, look.arms)
        )
        baseline[gate.name] = {**before, **pods}
    return Reading(at=look.tick.at, intervals=intervals, missing=found.missing), baseline


def _is_shape(gate: Gate) -> bool:
    return gate.signal is Signal.DISTRIBUTION or (gate.signal is Signal.LATENCY and gate.over is None)


def _is_of_a_set(gate: Gate) -> bool:
    """Whether its edges are bins without an order: those of a query, or those that the observer counts in."""
    return gate.signal is Signal.DISTRIBUTION and (gate.query is None or gate.query.bins is not None)


def _interval(before: Mapping[str, Cumulative], pods: Mapping[str, Cumulative], arms: Arms) -> Interval:
    was = {pod: counted for pod, counted in before.items() if isinstance(counted, Counts)}
    now = {pod: counted for pod, counted in pods.items() if isinstance(counted, Counts)}
    return Interval(
        candidate=difference(previous=was, current=_of(arms.candidate, now)),
        stable=difference(previous=was, current=_of(arms.stable, now)),
    )


def _spread(before: Mapping[str, Cumulative], pods: Mapping[str, Cumulative], arms: Arms, *, of_a_set: bool) -> Spread:
    was = {pod: counted for pod, counted in before.items() if isinstance(counted, Bins)}
    now = {pod: counted for pod, counted in pods.items() if isinstance(counted, Bins)}
    candidate, stable = (
        difference_of_bins(previous=was, current=_of(arm, now), new_edges_were_empty=of_a_set) for arm in arms.both
    )
    return Spread(candidate=candidate, stable=stable)


def _of(arm: Arm, pods: Mapping[str, Counted]) -> dict[str, Counted]:
    return {pod: counted for pod, counted in pods.items() if pod.startswith(arm.child + "-")}


def _restated(pod: str, before: Cumulative, now: Cumulative | None) -> bool:
    """Whether a sum over what may come and go has fallen: then it is a baseline, and not all of it is new."""
    if now is None or not questions.is_outside(pod):
        return False
    match before, now:
        case Counts(), Counts():
            return now.total < before.total or now.bad < before.bad
        case Bins(), Bins():
            fallen = any(new < old for old, new in zip(before.beyond, now.beyond, strict=False))
            return now.total < before.total or fallen
        case _:
            return True
