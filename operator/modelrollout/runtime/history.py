"""How much the live version's pods differ from each other, read once, when a comparison begins.

One range query for each counter family over the hours before. Its answer gives phi, the divisor of all evidence of the
rollout (`modelrollout.evidence.dispersion`), which is then frozen with the evidence. Where the past cannot tell, phi is
its prior and the reason is kept: a rollout must not wait for history that will never come.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from modelrollout.adapters.families import Family, Source
from modelrollout.adapters.prometheus import History, MetricsSource, PrometheusUnavailable
from modelrollout.adapters.queries import PodSelector, counts, family, query
from modelrollout.api.base import seconds
from modelrollout.api.gates import Gate, Signal
from modelrollout.evidence import Counts, carry, difference
from modelrollout.evidence.dispersion import PRIOR, Dispersion, dispersion
from modelrollout.runtime.readings import Look

HISTORY = timedelta(hours=16)
SHORTEST_STEP_SECONDS = 30
"""Sixteen hours in steps of this are 1920 of each series, well below what Prometheus answers at once."""


class Histories:
    def __init__(self, source: MetricsSource, *, on_query: Callable[[str], None] = lambda _: None) -> None:
        self._source = source
        self._on_query = on_query

    async def dispersions(self, look: Look) -> Mapping[str, Dispersion]:
        """By gate, for those that count requests of single pods; others have none."""
        asked: dict[Family, tuple[History, ...] | str] = {}
        found: dict[str, Dispersion] = {}
        for gate in look.spec.rollout.gates:
            if not _counts_requests(gate):
                continue
            assert gate.signal is not None
            source = family(look.spec.serving.server, gate.signal)
            if source.source is Source.ENVOY:
                found[gate.name] = _unknown("a gateway does not tell pods apart")
                continue
            if source not in asked:
                asked[source] = await self._ask(source, look)
            answer = asked[source]
            found[gate.name] = (
                _unknown(answer) if isinstance(answer, str) else dispersion(_intervals(gate, source, answer, look))
            )
        return found

    async def _ask(self, source: Family, look: Look) -> tuple[History, ...] | str:
        step = max(SHORTEST_STEP_SECONDS, math.ceil(seconds(look.spec.rollout.interval)))
        end = look.tick.at.replace(microsecond=0)
        selector = PodSelector(namespace=look.arms.stable.namespace, deployment=look.arms.stable.name)
        try:
            answer = await self._source.range(
                query(source, [selector]), begin=end - HISTORY, end=end, step_seconds=step
            )
        except PrometheusUnavailable as error:
            self._on_query("unavailable")
            return f"the history could not be read: {error.reason}"
        self._on_query("success")
        return answer


def _counts_requests(gate: Gate) -> bool:
    return gate.signal is Signal.ERRORS or (gate.signal is Signal.LATENCY and gate.over is not None)


def _unknown(reason: str) -> Dispersion:
    return Dispersion(phi=PRIOR, reason=reason)


def _intervals(gate: Gate, source: Family, answer: tuple[History, ...], look: Look) -> Iterator[Mapping[str, Counts]]:
    """What each stable pod served between two steps, oldest first; pods count from their warm-up on, as in rollouts."""
    assert gate.signal is not None
    warm_at = _warm_at(look)
    previous: dict[str, Counts] = {}
    for time, pods in sorted(_by_time(source, answer, prefix=look.arms.stable.child + "-").items()):
        current = {
            pod: read
            for pod, values in pods.items()
            if time >= warm_at.get(pod, -math.inf)
            and (read := counts(source, gate.signal, seconds(gate.over) if gate.over else None, values)) is not None
        }
        yield {pod: difference(previous=previous, current={pod: read}) for pod, read in current.items()}
        previous = carry(previous=previous, current=current)


def _warm_at(look: Look) -> dict[str, float]:
    warmup = seconds(look.spec.rollout.warmup)
    return {pod.name: pod.ready_since.timestamp() + warmup for pod in look.pods if pod.ready_since is not None}


def _by_time(source: Family, answer: tuple[History, ...], *, prefix: str) -> dict[float, dict[str, dict[str, float]]]:
    """Unix time to pod to label value to cumulative value."""
    found: dict[float, dict[str, dict[str, float]]] = {}
    for series in answer:
        pod = series.labels.get("pod", "")
        if pod.startswith(prefix):
            for time, value in series.values.items():
                found.setdefault(time, {}).setdefault(pod, {})[series.labels.get(source.by, "")] = value
    return found
