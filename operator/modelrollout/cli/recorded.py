"""History from Prometheus as rows of a trace: what a policy would have decided on a rollout of the past.

The same counters that the operator reads, and differenced per pod by the same rules, but asked as ranges: one query for
each family and arm, or a few where there are more steps than Prometheus answers at once. The stable pods are read from
some hours before, which shows how much they differ. A pod that appears later is not judged during its warm-up.
"""

import asyncio
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelrollout.adapters.clock import SystemClock
from modelrollout.adapters.families import Family
from modelrollout.adapters.prometheus import PrometheusSource, PrometheusUnavailable
from modelrollout.adapters.queries import bounds, counts, family
from modelrollout.api.base import seconds
from modelrollout.api.gates import Gate, Signal
from modelrollout.api.rollout import Rollout
from modelrollout.api.servers import MISSING
from modelrollout.api.serving import Server
from modelrollout.cli.errors import CliError
from modelrollout.cli.trace import Pod, Row
from modelrollout.evidence import Counts, carry, difference, readings

RUN = "prometheus"
MOST_STEPS_A_QUERY = 10_000  # Prometheus refuses more than 11 000
MOST_QUERIES = 100
_READ_TIMEOUT_SECONDS = 60.0

_MATCHER = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\\n]|\\[^\n])*")\s*(,|$)')

_Counters = Mapping[float, Mapping[str, Mapping[str, float]]]
"""Unix time to pod to label value to cumulative value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to replay. Selectors are label matchers as they stand between the braces of PromQL."""

    url: str
    begin: datetime
    end: datetime
    stable: str
    candidate: str
    history: timedelta
    server: Server

    @classmethod
    def of(cls, *, url: str, begin: str, end: str, stable: str, candidate: str, history: str, server: str) -> "Request":
        if server not in [known.value for known in Server]:
            raise CliError(f"--server: {server} is not one of {', '.join(Server)}.")
        try:
            before = timedelta(seconds=seconds(history))
        except ValueError as error:
            raise CliError(f"--history: {error}.") from error
        request = cls(
            url=url,
            begin=_time(begin, option="--from"),
            end=_time(end, option="--to"),
            stable=_matchers(stable, option="--stable"),
            candidate=_matchers(candidate, option="--candidate"),
            history=before,
            server=Server(server),
        )
        if request.end <= request.begin:
            raise CliError("--to must be later than --from.")
        return request


def recorded(request: Request, rollout: Rollout) -> Iterator[Row]:
    """Everything is asked first, so that no row comes of half an answer."""
    step = math.ceil(seconds(rollout.interval))
    earliest = request.begin - math.ceil(request.history.total_seconds() / step) * timedelta(seconds=step)
    families = {gate.name: _family(request.server, gate) for gate in rollout.gates}
    try:
        arms = asyncio.run(_ask_all(request, set(families.values()), step, earliest=earliest))
    except PrometheusUnavailable as error:
        raise CliError(f"Prometheus cannot be asked: {error.reason}.") from error
    gates = {gate.name: _Gate(gate, families[gate.name], seconds(rollout.warmup)) for gate in rollout.gates}
    begin = int(request.begin.timestamp())
    for time in _steps(earliest, request.end, step):
        for name, gate in gates.items():
            candidate, stable = (arm.get(time, {}) for arm in arms[families[name]])
            row = gate.row(time - begin, candidate=candidate, stable=stable)
            if row is not None:
                yield row


def _family(server: Server, gate: Gate) -> Family:
    """What is read for a gate; raises CliError where history cannot show it."""
    if gate.signal is Signal.ERRORS or (gate.signal is Signal.LATENCY and gate.over is not None):
        if reason := MISSING.get((server, gate.signal)):
            raise CliError(f"Gate {gate.name}: {reason}.")
        return family(server, gate.signal)
    what = gate.signal or f"the {gate.template}"
    raise CliError(f"Gate {gate.name}: {what} cannot be replayed; only Errors, and Latency with a bound, can.")


class _Gate:
    """Turns one gate's cumulative counters into what each pod served between two steps."""

    def __init__(self, gate: Gate, source: Family, warmup_seconds: float) -> None:
        self._gate = gate
        self._family = source
        self._over_seconds = seconds(gate.over) if gate.over else None
        self._warmup_seconds = warmup_seconds
        self._first_t: float | None = None
        self._warm_at: dict[str, float] = {}
        self._previous: dict[str, Counts] = {}

    def row(
        self, t: float, *, candidate: Mapping[str, Mapping[str, float]], stable: Mapping[str, Mapping[str, float]]
    ) -> Row | None:
        """None for the first step, which is a baseline."""
        first = self._first_t is None
        if first:
            self._first_t = t
        served = [self._served(t, pods) for pods in (candidate, stable)]
        if first:
            return None
        place = f"Prometheus, {t:g} s after --from"
        judged = served[0] if t > 0 else ()
        return Row(place=place, run=RUN, t=t, gate=self._gate.name, candidate=judged, stable=served[1])

    def _served(self, t: float, pods: Mapping[str, Mapping[str, float]]) -> tuple[Pod, ...]:
        now = readings({pod: (read.total, read.bad) for pod, read in self._read(pods) if self._is_warm(pod, t)})
        served = {pod: difference(previous=self._previous, current={pod: read}) for pod, read in now.items()}
        self._previous = carry(previous=self._previous, current=now)
        return tuple(Pod(pod, counts.total, (counts.bad,)) for pod, counts in sorted(served.items()))

    def _read(self, pods: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, Counts]]:
        for pod, by_label in pods.items():
            assert self._gate.signal is not None
            read = counts(self._family, self._gate.signal, self._over_seconds, by_label)
            if read is None:
                found = ", ".join(f"{bound:g}s" for bound in bounds(self._family, by_label))
                raise CliError(f"Gate {self._gate.name}: no bucket ends at {self._gate.over}; there is {found}.")
            yield pod, read

    def _is_warm(self, pod: str, t: float) -> bool:
        """Pods that were there at the first step are warm; others are after their warm-up."""
        warmup = 0.0 if t == self._first_t else self._warmup_seconds
        return t >= self._warm_at.setdefault(pod, t + warmup)


async def _ask_all(
    request: Request, families: Iterable[Family], step: int, *, earliest: datetime
) -> dict[Family, tuple[_Counters, _Counters]]:
    """Of each family, the candidate's counters and the stable ones."""
    asked: dict[Family, tuple[_Counters, _Counters]] = {}
    wanted = sorted(families, key=lambda family: family.name)
    parts = math.ceil(len(_steps(earliest, request.end, step)) / MOST_STEPS_A_QUERY)
    if parts * 2 * len(wanted) > MOST_QUERIES:
        raise CliError(f"That is more than {MOST_QUERIES} queries; ask for less time, or set a longer interval.")
    async with PrometheusSource(request.url, SystemClock(), read_timeout_seconds=_READ_TIMEOUT_SECONDS) as source:
        for one in wanted:
            candidate = await _ask(source, one, request.candidate, request.begin, request.end, step)
            stable = await _ask(source, one, request.stable, earliest, request.end, step)
            for arm, found in (("--candidate", candidate), ("--stable", stable)):
                if not found:
                    raise CliError(f"No series of {one.metric} matches {arm}.")
            asked[one] = candidate, stable
    return asked


async def _ask(
    source: PrometheusSource, family: Family, matchers: str, begin: datetime, end: datetime, step: int
) -> _Counters:
    query = f"sum by (namespace, pod, {family.by}) ({family.metric}{{{family.matchers},{matchers}}})"
    found: dict[float, dict[str, dict[str, float]]] = {}
    times = _steps(begin, end, step)
    for first in range(0, len(times), MOST_STEPS_A_QUERY):
        part = times[first : first + MOST_STEPS_A_QUERY]
        answer = await source.range(query, begin=_at(part[0]), end=_at(part[-1]), step_seconds=step)
        for series in answer:
            pod = f"{series.labels.get('namespace', '')}/{series.labels.get('pod', '')}"
            for time, value in series.values.items():
                found.setdefault(time, {}).setdefault(pod, {})[series.labels.get(family.by, "")] = value
    return found


def _steps(begin: datetime, end: datetime, step: int) -> range:
    """Unix times; `begin` and `end` are whole seconds."""
    return range(int(begin.timestamp()), int(end.timestamp()) + 1, step)


def _at(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)


def _time(text: str, *, option: str) -> datetime:
    try:
        return _at(round(float(text)))
    except (ValueError, OverflowError, OSError):
        pass
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(f"{option}: {text!r} is no time; write 2026-11-24T12:00:00Z, or Unix seconds.") from error
    return _at(round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()))


def _matchers(text: str, *, option: str) -> str:
    """Only label matchers with quoted values get into a query."""
    inner = text.strip().removeprefix("{").removesuffix("}")
    found: list[str] = []
    position = 0
    while position < len(inner):
        matched = _MATCHER.match(inner, position)
        if matched is None:
            raise CliError(f'{option}: {text!r} is no selector; write label matchers, such as pod=~"fraud-v1-.*".')
        found.append("".join(matched.group(1, 2, 3)))
        position = matched.end()
    if not found:
        raise CliError(f"{option}: the selector is empty.")
    return ",".join(found)
