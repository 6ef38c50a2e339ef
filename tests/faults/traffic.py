"""Users: so many requests a second for each model, shared out by the route or by the Service as they are at that time.

Counters are the exact integral of those shares, so a question about any time has one answer, whenever it is asked. That
is what a scripted Prometheus shows, and what the evidence is held against. Requests that find no ready pod are counted
too: there must be none.
"""

import bisect
import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import CONFIG_MAPS, DEPLOYMENTS, HTTP_ROUTES, PODS, SERVICES, JsonObject
from modelrollout.api.group import LABEL_NAME, LABEL_REVISION
from modelrollout.api.observer import SETTINGS_FILE, service_name
from modelrollout.evidence import Counts
from tests.faults.store import Change, Store

Key = tuple[str, str]

BUCKETS = ("0.1", "0.5", "1.0", "+Inf")
SAMPLED = 0.1
"""Share of its copies that an observer sends a second time, and of those the share that live gets twice."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a revision answers: shares of 5xx, of answers slower than half a second, of those that differ from live."""

    errors: float = 0.001
    slow: float = 0.001
    disagrees: float = 0.0


@dataclass(slots=True)
class _Pod:
    """Served requests: `totals[i]` at `times[i]`, and `rates[i]` a second from then on."""

    namespace: str
    name: str
    revision: str
    times: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def set_rate(self, rate: float, at: float) -> None:
        if not self.rates or self.rates[-1] != rate:
            total = self.served(at)
            self.times.append(at)
            self.totals.append(total)
            self.rates.append(rate)

    def served(self, at: float) -> float:
        index = bisect.bisect_right(self.times, at) - 1
        if index < 0:
            return 0.0
        return self.totals[index] + self.rates[index] * (at - self.times[index])

    def shown(self, at: datetime) -> int:
        """What its counter shows: whole requests."""
        return math.floor(self.served(at.timestamp()) + 1e-6)


class Traffic:
    """`requests_per_second` of each ModelDeployment; `behaviours` by revision, `usual` for all others. One that turns
    answers in another way from then on.
    """

    def __init__(self, store: Store, clock: Clock, *, requests_per_second: float = 400.0) -> None:
        self._store = store
        self._clock = clock
        self.requests_per_second = requests_per_second
        self.usual = Behaviour()
        self.behaviours: dict[str, Behaviour] = {}
        self._turned: dict[str, tuple[datetime, Behaviour]] = {}
        self._pods: dict[tuple[str, str], _Pod] = {}
        self._nowhere: dict[Key, _Pod] = defaultdict(lambda: _Pod("", "", ""))
        store.listeners.append(self._changed)

    def turn(self, revision: str, behaviour: Behaviour) -> None:
        """From now on, the first time that this is said."""
        self._turned.setdefault(revision, (self._clock.now(), behaviour))

    def stop(self, key: Key | None = None) -> None:
        """Users go away."""
        self.requests_per_second = 0.0
        self.refresh()

    def refresh(self) -> None:
        for key in {(pod["metadata"]["namespace"], _label(pod)) for pod in self._store.look(PODS)}:
            self._share_out(key)

    def lost(self) -> float:
        """Requests that were sent to a Service without a ready pod."""
        at = self._clock.now().timestamp()
        return sum(nowhere.served(at) for nowhere in self._nowhere.values())

    def counters(self, at: datetime) -> list[tuple[str, str, Counts, Counts]]:
        """Namespace, pod, and its cumulative counts at that time: requests with 5xx, requests with slow ones."""
        found = []
        for pod in self._pods.values():
            if pod.times and pod.times[0] <= at.timestamp():
                total = pod.shown(at)
                errors, slow = self._bad(pod, at, total)
                found.append((pod.namespace, pod.name, Counts(total=total, bad=errors), Counts(total=total, bad=slow)))
        return found

    def pairs(self, at: datetime) -> list[tuple[dict[str, str], Counts, Counts]]:
        """Of each observer's pod: its labels, and cumulative pairs and noise pairs with those that disagree."""
        found = []
        for pod in self._pods.values():
            settings = self._settings(pod.namespace, pod.name)
            if settings is None or not pod.times or pod.times[0] > at.timestamp():
                continue
            candidate = (settings.get("candidate") or {}).get("revision", "")
            labels = {"modeldeployment": settings["deployment"], "live": settings["live"]["revision"]}
            pairs = math.floor(pod.shown(at) * SAMPLED)
            disagree = math.floor(pairs * self.behaviours.get(candidate, self.usual).disagrees)
            labels |= {"candidate": candidate, "namespace": pod.namespace, "pod": pod.name}
            found.append((labels, Counts(pairs, disagree), Counts(math.floor(pairs * SAMPLED), 0)))
        return found

    def _settings(self, namespace: str, pod: str) -> JsonObject | None:
        """What an observer's pod was told; None for others."""
        body = self._store.find(CONFIG_MAPS, namespace, pod.rsplit("-", 2)[0])
        loaded: JsonObject | None = json.loads(body["data"][SETTINGS_FILE]) if body is not None else None
        return loaded

    def _bad(self, pod: _Pod, at: datetime, total: int) -> tuple[int, int]:
        """Requests with 5xx and slow ones, of `total`."""
        first = self.behaviours.get(pod.revision, self.usual)
        turned_at, second = self._turned.get(pod.revision, (at, first))
        before = pod.shown(min(turned_at, at))
        after = total - before
        return (
            math.floor(before * first.errors + after * second.errors),
            math.floor(before * first.slow + after * second.slow),
        )

    def pods(self, revision: str) -> dict[str, datetime]:
        """All pods that a revision ever had, with the time at which each became ready."""
        return {
            name: datetime.fromtimestamp(pod.times[0], UTC)
            for (_, name), pod in self._pods.items()
            if pod.revision == revision
        }

    def served_by(self, pod: str, at: datetime) -> float:
        """What a pod shows in its counters at that time."""
        return sum(known.shown(at) for known in self._pods.values() if known.name == pod)

    def served(self, revision: str, at: datetime) -> float:
        """What all pods of a revision show."""
        return sum(pod.shown(at) for pod in self._pods.values() if pod.revision == revision)

    def _changed(self, change: Change) -> None:
        if change.resource in (HTTP_ROUTES, SERVICES, PODS, DEPLOYMENTS):
            self._share_out((change.body["metadata"]["namespace"], _label(change.body)))

    def _share_out(self, key: Key) -> None:
        at = self._clock.now().timestamp()
        rates: dict[str, float] = defaultdict(float)
        lost = 0.0
        ready = self._ready_pods(key)
        for service, rate in self._services(key).items():
            behind = self._behind(key, service, ready)
            if not behind:
                lost += rate
            for pod in behind:
                rates[pod["metadata"]["name"]] += rate / len(behind)
        for pod in ready:
            name = pod["metadata"]["name"]
            revision = pod["metadata"]["labels"].get(LABEL_REVISION, "")
            self._pods.setdefault((key[0], name), _Pod(key[0], name, revision))
        for (namespace, name), known in self._pods.items():
            if namespace == key[0] and name.startswith(f"{key[1]}-"):
                known.set_rate(rates.get(name, 0.0), at)
        self._nowhere[key].set_rate(lost, at)

    def _services(self, key: Key) -> dict[str, float]:
        """Requests a second for each Service that users' requests are sent to, a mirror's copies included."""
        route = self._store.find(HTTP_ROUTES, *key)
        if route is None:
            entry = self._store.find(SERVICES, *key)
            return {key[1]: self.requests_per_second} if entry is not None else {}
        sent: dict[str, float] = defaultdict(float)
        rule = route["spec"]["rules"][0]
        weights = sum(backend["weight"] for backend in rule["backendRefs"])
        for backend in rule["backendRefs"]:
            sent[backend["name"]] += self.requests_per_second * backend["weight"] / weights
        for one in rule.get("filters", []):
            mirror = one["requestMirror"]["backendRef"]["name"]
            sent[mirror] += self.requests_per_second
            if mirror == service_name(key[1]):
                for backend in rule["backendRefs"]:
                    sent[backend["name"]] += self.requests_per_second * SAMPLED
        return {name: rate for name, rate in sent.items() if rate > 0}

    def _ready_pods(self, key: Key) -> list[JsonObject]:
        pods = self._store.look(PODS, key[0], f"{LABEL_NAME}={key[1]}")
        return [pod for pod in pods if pod.get("status", {}).get("conditions", [{}])[0].get("status") == "True"]

    def _behind(self, key: Key, service: str, ready: list[JsonObject]) -> list[JsonObject]:
        body = self._store.find(SERVICES, key[0], service)
        if body is None:
            return []
        selector = body["spec"]["selector"].items()
        return [pod for pod in ready if selector <= pod["metadata"]["labels"].items()]


def _label(body: JsonObject) -> str:
    return str((body["metadata"].get("labels") or {}).get(LABEL_NAME, ""))
