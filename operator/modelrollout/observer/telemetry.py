"""What the observer tells Prometheus. Every series is there from the start, as zero, so that increases are whole.

| metric | type | labels | meaning |
|---|---|---|---|
| `modelrollout_observer_requests_total` | counter | `what` | copies: received, and what became of them |
| `modelrollout_observer_unreadable_total` | counter | `reason` | why copies could not be read |
| `modelrollout_observer_pairs_total` | counter | `output`, `result` | live version against candidate |
| `modelrollout_observer_noise_pairs_total` | counter | `output`, `result` | live version against itself |
| `modelrollout_observer_failed_pairs_total` | counter | `arm`, `kind` | nothing to compare, and whose fault that was |
| `modelrollout_observer_difference` | histogram | `output` | largest absolute difference of numbers in an output |
| `modelrollout_observer_duration_seconds` | histogram | `arm` | time to the last byte of an answer |
| `modelrollout_observer_pauses_total` | counter | `arm` | times that a version was left alone because it was busy |
| `modelrollout_observer_held_bytes` | gauge | | bytes of bodies held |
| `modelrollout_observer_pending_requests` | gauge | | requests that wait to be sent a second time |
| `modelrollout_observer_settings_valid` | gauge | | 1, or 0 while the changed file cannot be used |

Each but the gauges has the labels `modeldeployment`, `live` and `candidate` as well. `output` is "" for all outputs of
a request together. `what` is received, sampled, skipped (not chosen, or no inference), dropped (no room or no time),
paused (a version is left alone) or unreadable; each copy is received and then one of skipped, paused, unreadable,
dropped or sampled, and a sampled one may be dropped later.
"""

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from modelrollout.observer.asking import Why
from modelrollout.observer.compare import Judgement, Verdict
from modelrollout.observer.guard import Side

ALL_OUTPUTS = ""
MAX_OUTPUTS = 16
OTHER_OUTPUTS = "(other)"
"""Where answers have more outputs than that, those that were seen later are told together."""

BOTH = "both"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DIFFERENCES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0, 100.0, 1000.0)
_NAMES = ("modeldeployment", "live", "candidate")


class What(StrEnum):
    RECEIVED = "received"
    SAMPLED = "sampled"
    SKIPPED = "skipped"
    DROPPED = "dropped"
    PAUSED = "paused"
    UNREADABLE = "unreadable"


class Reason(StrEnum):
    """Why a copy is unreadable."""

    CONTENT_TYPE = "content type"
    TOO_LONG = "too long"
    TOO_SLOW = "too slow"
    BROKEN = "broken off"


@dataclass(frozen=True, slots=True)
class Names:
    """Labels of all that is counted; revisions are short ids, "" for none."""

    deployment: str
    live: str
    candidate: str


class Telemetry:
    """Counters are those of one pair of versions; those of a pair that is no more end when `begin` names another."""

    def __init__(self, *, held: Callable[[], float], pending: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._counter("requests", "Copies of requests.", "what")
        self._unreadable = self._counter("unreadable", "Copies that could not be read.", "reason")
        self._pairs = self._counter("pairs", "Answers of live version and candidate.", "output", "result")
        self._noise = self._counter("noise_pairs", "Two answers of the live version.", "output", "result")
        self._failed = self._counter("failed_pairs", "Pairs with nothing to compare.", "arm", "kind")
        self._pauses = self._counter("pauses", "Times that a version was left alone.", "arm")
        self._difference = self._histogram("difference", "Absolute difference.", "output", buckets=_DIFFERENCES)
        self._seconds = self._histogram("duration_seconds", "Time to an answer.", "arm", buckets=_SECONDS)
        for name, told, read in (
            ("held_bytes", "Bytes of bodies held.", held),
            ("pending_requests", "Requests that wait to be sent a second time.", pending),
        ):
            Gauge(f"modelrollout_observer_{name}", told, registry=self.registry).set_function(read)
        self._settings_valid = Gauge(
            "modelrollout_observer_settings_valid", "Whether the settings file can be used.", registry=self.registry
        )
        self._names: Names | None = None
        self._outputs: set[str] = set()

    def begin(self, names: Names, outputs: Iterable[str]) -> None:
        """Counters of other versions end; `outputs` are those that will be compared, as far as they are known."""
        if names != self._names:
            self._names = names
            self._outputs.clear()
            for metric in (
                self._requests,
                self._unreadable,
                self._pairs,
                self._noise,
                self._failed,
                self._pauses,
                self._difference,
                self._seconds,
            ):
                metric.clear()
            self._set_to_zero()
        for output in outputs:
            self._label(output)

    def is_about(self, names: Names) -> bool:
        return names == self._names

    def request(self, what: What) -> None:
        self._requests.labels(*self._base, what).inc()

    def unreadable(self, reason: Reason) -> None:
        self.request(What.UNREADABLE)
        self._unreadable.labels(*self._base, reason).inc()

    def compared(self, judgement: Judgement) -> None:
        """Differences that are not finite are disagreements, and have no place in a sum."""
        self._judged(self._pairs, judgement)
        for output, finding in judgement.findings.items():
            if finding.difference is not None and finding.difference < float("inf"):
                self._difference.labels(*self._base, self._label(output)).observe(finding.difference)

    def compared_with_itself(self, judgement: Judgement) -> None:
        self._judged(self._noise, judgement)

    def failed(self, arm: Side | None, why: Why) -> None:
        """`arm` None: both."""
        self._failed.labels(*self._base, arm or BOTH, why).inc()

    def asked(self, arm: Side, seconds: float) -> None:
        self._seconds.labels(*self._base, arm).observe(seconds)

    def paused(self, arm: Side) -> None:
        self._pauses.labels(*self._base, arm).inc()

    def settings_are(self, *, valid: bool) -> None:
        self._settings_valid.set(valid)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    def _judged(self, counter: Counter, judgement: Judgement) -> None:
        told = [(ALL_OUTPUTS, judgement.verdict)]
        told += [(self._label(output), finding.verdict) for output, finding in judgement.findings.items()]
        for label, verdict in told:
            if verdict is not Verdict.INCOMPARABLE:
                counter.labels(*self._base, label, verdict).inc()

    @property
    def _base(self) -> tuple[str, ...]:
        return astuple(self._names) if self._names else ("", "", "")

    def _label(self, output: str) -> str:
        label = output[:100].encode("utf-8", errors="replace").decode()
        if label in self._outputs:
            return label
        if len(self._outputs) >= MAX_OUTPUTS or label == ALL_OUTPUTS:
            label = OTHER_OUTPUTS
        if label not in self._outputs:
            self._outputs.add(label)
            self._zero_output(label)
        return label

    def _set_to_zero(self) -> None:
        for what in What:
            self._requests.labels(*self._base, what)
        for reason in Reason:
            self._unreadable.labels(*self._base, reason)
        for arm in (*Side, BOTH):
            for why in Why:
                self._failed.labels(*self._base, arm, why)
        for side in Side:
            self._pauses.labels(*self._base, side)
            self._seconds.labels(*self._base, side)
        self._zero_output(ALL_OUTPUTS)

    def _zero_output(self, label: str) -> None:
        for verdict in (Verdict.AGREE, Verdict.DISAGREE):
            self._pairs.labels(*self._base, label, verdict)
            self._noise.labels(*self._base, label, verdict)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"modelrollout_observer_{name}", told, [*_NAMES, *labels], registry=self.registry)

    def _histogram(self, name: str, told: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(
            f"modelrollout_observer_{name}", told, [*_NAMES, *labels], buckets=buckets, registry=self.registry
        )
