"""What a load counted: the outcomes that users saw and how long they waited."""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TextIO

MAX_FAILURES_KEPT: Final = 10_000


@dataclass(frozen=True)
class Latencies:
    """Seconds until the whole answer was there, over all requests that got one, whatever its status."""

    count: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    maximum: float = 0.0


@dataclass(frozen=True)
class LoadCounts:
    """What users saw so far. Each request that was sent is in exactly one of the outcomes, or still on its way."""

    sent: int = 0
    ok: int = 0
    failed_by_status: Mapping[int, int] = field(default_factory=dict)
    timeouts: int = 0
    connection_errors: int = 0
    in_flight: int = 0
    not_sent: int = 0
    """Due, but `max_in_flight` were on their way already: the load was less than asked for."""
    answered_by: Mapping[str, int] = field(default_factory=dict)
    """Good answers by the model version that the answer names: the share of a canary as users see it."""
    latencies: Latencies = Latencies()

    @property
    def server_errors(self) -> int:
        """Answers with a status of 500 and above."""
        return sum(count for status, count in self.failed_by_status.items() if status >= 500)

    @property
    def failed(self) -> int:
        """All that did not end well, for whatever reason."""
        return sum(self.failed_by_status.values()) + self.timeouts + self.connection_errors


@dataclass(frozen=True)
class Failure:
    """One request that did not end well."""

    at: str
    row: int
    outcome: str
    """A status ("500"), "timeout" or the name of a connection error."""


class LatencyHistogram:
    """Quantiles to five percent in constant memory, so that a long run costs no more than a short one."""

    _SMALLEST = 1e-4
    _GROWTH = math.log(1.05)

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._maximum = 0.0

    def add(self, seconds: float) -> None:
        """Count one latency."""
        self._buckets[max(0, math.ceil(math.log(max(seconds, 1e-9) / self._SMALLEST) / self._GROWTH))] += 1
        self._maximum = max(self._maximum, seconds)

    def summary(self) -> Latencies:
        """Upper bounds of the quantiles' buckets, never more than the largest value seen."""
        buckets = sorted(self._buckets.items())
        total = sum(count for _, count in buckets)
        if not total:
            return Latencies()
        cumulated = list(itertools.accumulate(count for _, count in buckets))

        def quantile(share: float) -> float:
            position = next(i for i, count in enumerate(cumulated) if count >= share * total)
            return min(self._maximum, self._SMALLEST * math.exp(self._GROWTH * buckets[position][0]))

        return Latencies(total, quantile(0.5), quantile(0.9), quantile(0.99), self._maximum)


class Tally:
    """The counts behind one lock: the load's thread writes, any other reads."""

    def __init__(self) -> None:
        self.file: TextIO | None = None
        self._lock = threading.Lock()
        self._sent = self._ok = self._timeouts = self._connection_errors = self._not_sent = 0
        self._statuses: Counter[int] = Counter()
        self._versions: Counter[str] = Counter()
        self._latencies = LatencyHistogram()
        self._failures: list[Failure] = []

    def send_one(self) -> None:
        """A request left."""
        with self._lock:
            self._sent += 1

    def not_sent_one(self) -> None:
        """A request was due and could not leave."""
        with self._lock:
            self._not_sent += 1

    def answer(self, row: int, status: int, content: bytes, seconds: float) -> None:
        """A request was answered, well or not."""
        good = 200 <= status < 300
        version = _version_in(content) if good else ""
        with self._lock:
            self._latencies.add(seconds)
            if good:
                self._ok += 1
                self._versions[version] += 1
            else:
                self._statuses[status] += 1
                self._keep(row, str(status))

    def fail(self, row: int, outcome: str) -> None:
        """A request got no answer."""
        with self._lock:
            if outcome == "timeout":
                self._timeouts += 1
            else:
                self._connection_errors += 1
            self._keep(row, outcome)

    def counts(self) -> LoadCounts:
        """All counts at one moment."""
        with self._lock:
            ended = self._ok + sum(self._statuses.values()) + self._timeouts + self._connection_errors
            return LoadCounts(
                sent=self._sent,
                ok=self._ok,
                failed_by_status=MappingProxyType(dict(sorted(self._statuses.items()))),
                timeouts=self._timeouts,
                connection_errors=self._connection_errors,
                in_flight=self._sent - ended,
                not_sent=self._not_sent,
                answered_by=MappingProxyType(dict(sorted(self._versions.items()))),
                latencies=self._latencies.summary(),
            )

    def failures(self) -> tuple[Failure, ...]:
        """The first failures, in order."""
        with self._lock:
            return tuple(self._failures)

    def _keep(self, row: int, outcome: str) -> None:
        failure = Failure(datetime.now(UTC).isoformat(timespec="milliseconds"), row, outcome)
        if len(self._failures) < MAX_FAILURES_KEPT:
            self._failures.append(failure)
        if self.file is not None:
            self.file.write(json.dumps(asdict(failure)) + "\n")
            self.file.flush()


def _version_in(content: bytes) -> str:
    """The version that an answer names, "unknown" where it names none."""
    try:
        answer = json.loads(content)
    except ValueError:
        return "unknown"
    return str(answer.get("model_version") or "unknown") if isinstance(answer, dict) else "unknown"


def describe(counts: LoadCounts) -> str:
    """One line for people."""
    statuses = "".join(f", {count} x {status}" for status, count in counts.failed_by_status.items())
    versions = ", ".join(f"{version} {count}" for version, count in counts.answered_by.items())
    shortfall = f", {counts.not_sent} not sent" if counts.not_sent else ""
    latencies = counts.latencies
    return (
        f"sent {counts.sent}, ok {counts.ok}{f' ({versions})' if versions else ''}{statuses}, "
        f"{counts.timeouts} timed out, {counts.connection_errors} connection errors{shortfall}; "
        f"p50 {latencies.p50 * 1000:.0f} ms, p99 {latencies.p99 * 1000:.0f} ms"
    )


def as_json(counts: LoadCounts) -> str:
    """The same for programs."""
    plain = {
        **{
            name: getattr(counts, name)
            for name in ("sent", "ok", "timeouts", "connection_errors", "not_sent", "failed")
        },
        "failed_by_status": dict(counts.failed_by_status),
        "answered_by": dict(counts.answered_by),
        "latencies": asdict(counts.latencies),
    }
    return json.dumps(plain)
