"""What the operator says about itself to Prometheus.

Counters and histograms have labels with few values only. What is told per rollout is told for rollouts that are under
way and ends with them, so a thousand idle models cost nothing here or there. Those gauges are not kept as objects of
the client library, of which each would weigh a kilobyte: a collector reads them from one frozen record per rollout,
which also makes setting and removing all of them one step.

| metric | type | labels | meaning |
|---|---|---|---|
| `modelrollout_reconcile_total` | counter | `result`: ok, or what went wrong | looks at one ModelDeployment |
| `modelrollout_reconcile_duration_seconds` | histogram | | how long one look took |
| `modelrollout_queue_depth` | gauge | | ModelDeployments that are due and not being looked at |
| `modelrollout_api_requests_total` | counter | `verb`, `resource`, `code` | requests to the API server; 0: no answer |
| `modelrollout_prometheus_queries_total` | counter | `result`: success, unavailable | queries to Prometheus |
| `modelrollout_alert_requests_total` | counter | `code` | requests of Alertmanager, by our answer |
| `modelrollout_alerts_total` | counter | `result`: filed, known, ignored, withdrawn, invalid | alerts that it sent |
| `modelrollout_registry_calls_total` | counter | `call`, `result` | questions to the registry, and what it was told |
| `modelrollout_decisions_total` | counter | `outcome`, `reason` | decisions, as in the revisions' status |
| `modelrollout_leader` | gauge | | 1 in the process that acts, else 0 |
| `modelrollout_rollout_weight_percent` | gauge | `namespace`, `name`, `revision` | the candidate's share of traffic |
| `modelrollout_rollout_log_evidence` | gauge | the same, `gate`, `kind`: harm, safety | ln of the e-value |
| `modelrollout_rollout_log_threshold` | gauge | `namespace`, `name`, `kind` | ln of what the e-value must reach |
| `modelrollout_rollout_requests` | gauge | as evidence, `arm`, `outcome`: all, bad, for `kind` | seen so far |
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from modelrollout.evidence import Counts
from modelrollout.runtime.queue import Key

_DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROLLOUT = ("namespace", "name", "revision")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFigures:
    """`log_harm` and `log_safety` are natural logs; the counts are those of the whole rollout."""

    gate: str
    log_harm: float
    log_safety: float
    candidate: Counts
    stable: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFigures:
    """What is told about one rollout that is under way. Thresholds are natural logs."""

    revision: str
    weight_percent: int
    log_harm_threshold: float
    log_safety_threshold: float
    gates: tuple[GateFigures, ...] = ()


class Telemetry:
    """Owns its registry, so that two operators in one process, as in tests, do not share a number."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._rollouts = _Rollouts()
        self.registry.register(self._rollouts)
        self._reconciles = Counter(
            "modelrollout_reconcile_total", "Looks at one ModelDeployment.", ["result"], registry=self.registry
        )
        self._reconcile_seconds = Histogram(
            "modelrollout_reconcile_duration_seconds",
            "How long one look at a ModelDeployment took.",
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        self._queue_depth = Gauge(
            "modelrollout_queue_depth", "ModelDeployments that are due and not looked at.", registry=self.registry
        )
        self._api_requests = Counter(
            "modelrollout_api_requests_total",
            "Requests to the API server; code 0 means no answer.",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self._queries = Counter(
            "modelrollout_prometheus_queries_total", "Queries to Prometheus.", ["result"], registry=self.registry
        )
        self._registry_calls = Counter(
            "modelrollout_registry_calls_total",
            "Questions to the model registry, and what it was told.",
            ["call", "result"],
            registry=self.registry,
        )
        self._decisions = Counter(
            "modelrollout_decisions_total", "Decisions taken.", ["outcome", "reason"], registry=self.registry
        )
        self._alert_requests = Counter(
            "modelrollout_alert_requests_total",
            "Requests with alerts, by answer.",
            ["code"],
            registry=self.registry,
        )
        self._alerts = Counter(
            "modelrollout_alerts_total", "Alerts that were sent here.", ["result"], registry=self.registry
        )
        self._leader = Gauge("modelrollout_leader", "1 in the process that acts, else 0.", registry=self.registry)

    def reconciled(self, *, result: str, seconds: float) -> None:
        self._reconciles.labels(result).inc()
        self._reconcile_seconds.observe(seconds)

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """`depth` is asked at each scrape."""
        self._queue_depth.set_function(depth)

    def api_request(self, verb: str, resource: str, code: str) -> None:
        self._api_requests.labels(verb, resource, code).inc()

    def prometheus_query(self, result: str) -> None:
        self._queries.labels(result).inc()

    def alert_request(self, code: int) -> None:
        self._alert_requests.labels(str(code)).inc()

    def alerts(self, result: str, count: int = 1) -> None:
        self._alerts.labels(result).inc(count)

    def registry_call(self, call: str, result: str) -> None:
        self._registry_calls.labels(call, result).inc()

    def decided(self, *, outcome: str, reason: str) -> None:
        self._decisions.labels(outcome, reason).inc()

    def lead(self, is_leader: bool) -> None:
        self._leader.set(1 if is_leader else 0)

    def set_rollout(self, key: Key, figures: RolloutFigures) -> None:
        """In place of all that was told about this ModelDeployment before."""
        self._rollouts.figures[key] = figures

    def remove_rollout(self, key: Key) -> None:
        """The rollout is over, or the ModelDeployment gone."""
        self._rollouts.figures.pop(key, None)

    def exposition(self) -> bytes:
        """Text format 0.0.4. May be called from another thread."""
        return generate_latest(self.registry)


class _Rollouts(Collector):
    def __init__(self) -> None:
        self.figures: dict[Key, RolloutFigures] = {}

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        weight, evidence, threshold, requests = families = self._families()
        # A copy in one step: the event loop goes on changing the dictionary while this runs in another thread.
        for (namespace, name), figures in list(self.figures.items()):
            rollout = (namespace, name, figures.revision)
            weight.add_metric(rollout, figures.weight_percent)
            threshold.add_metric((namespace, name, "harm"), figures.log_harm_threshold)
            threshold.add_metric((namespace, name, "safety"), figures.log_safety_threshold)
            for gate in figures.gates:
                evidence.add_metric((*rollout, gate.gate, "harm"), gate.log_harm)
                evidence.add_metric((*rollout, gate.gate, "safety"), gate.log_safety)
                for arm, counts in (("candidate", gate.candidate), ("stable", gate.stable)):
                    requests.add_metric((*rollout, gate.gate, arm, "all"), counts.total)
                    requests.add_metric((*rollout, gate.gate, arm, "bad"), counts.bad)
        yield from families

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "modelrollout_rollout_weight_percent", "The candidate's share of traffic.", labels=_ROLLOUT
            ),
            GaugeMetricFamily(
                "modelrollout_rollout_log_evidence",
                "Natural log of the e-value against the candidate (harm) or for it (safety).",
                labels=(*_ROLLOUT, "gate", "kind"),
            ),
            GaugeMetricFamily(
                "modelrollout_rollout_log_threshold",
                "Natural log of what the e-value must reach.",
                labels=("namespace", "name", "kind"),
            ),
            GaugeMetricFamily(
                "modelrollout_rollout_requests",
                "Requests of one arm in this rollout, all of them or the bad ones of a gate.",
                labels=(*_ROLLOUT, "gate", "arm", "outcome"),
            ),
        )
