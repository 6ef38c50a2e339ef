"""Gates with PromQL of the user's own: what is asked for each version, and what the answers mean.

An answer is either one number for the whole version, or one for each pod, told apart by a label `pod`:

* Counters by pod are treated as the built-in ones: only warm pods count, and a fall is a restart, whose whole value is
  new. A `pod` that is not one of the model's (an exporter's, say) is always warm.
* One number for all is a sum over what may come and go. When it falls nobody can say what of it is new, so it becomes
  the baseline and adds nothing. `sum by (pod)` loses less, and is what the documentation recommends.
* A counter of bad things often does not exist before the first of them: without it there were none. Where there had
  been some, its absence says that the pod cannot be read now.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from modelrollout.adapters.prometheus import Series
from modelrollout.adapters.promql import Arm, fill
from modelrollout.adapters.queries import buckets
from modelrollout.api.gates import LIMITS, Direction, Gate, Signal
from modelrollout.evidence import MAX_EDGES, Bins, Counts
from modelrollout.runtime.hub import Tick
from modelrollout.runtime.ledger import Cumulative

_OUTSIDE = "-/"
_POD = "pod"


class _Unreadable(Exception):  # noqa: N818
    """Why an answer cannot be used, for people."""


def of(gate: Gate, arms: Iterable[Arm]) -> Iterator[str]:
    """Every question of a gate; a limit asks about the candidate alone, which comes first."""
    if gate.query is None:
        return
    for arm in list(arms)[: 1 if gate.signal in LIMITS else 2]:
        for text in gate.query.texts:
            yield fill(text, arm)


def is_outside(instance: str) -> bool:
    """Whether a count is not of one of the model's pods."""
    return _OUTSIDE in instance


def value(
    gate: Gate, tick: Tick, arm: Arm, *, warm: Collection[str], over_pods: Callable[[Iterable[float]], float]
) -> float | str:
    """One number for a version; of several, one a pod, `over_pods` makes one. Otherwise why there is none."""
    assert gate.query is not None
    assert gate.query.value is not None
    try:
        answer = _answer(gate, tick, gate.query.value, arm)
    except _Unreadable as error:
        return str(error)
    values = [one for instance, one in answer.items() if is_outside(instance) or instance in warm]
    if not values:
        return f"gate {gate.name}: the query gives nothing for {arm.child}"
    return over_pods(values)


def counters(
    gate: Gate, tick: Tick, arms: Iterable[Arm], *, wanted: Collection[str], known: Mapping[str, Cumulative]
) -> dict[str, Cumulative] | str:
    """Cumulative counts of both versions, by pod; or why there are none."""
    found: dict[str, Cumulative] = {}
    try:
        for arm in arms:
            found |= _bins(gate, tick, arm) if gate.signal is Signal.DISTRIBUTION else _counts(gate, tick, arm, known)
    except _Unreadable as error:
        return str(error)
    if gate.query is not None and gate.query.bins is not None:
        found = _with_all_bins(found, known)
    return {pod: counted for pod, counted in found.items() if is_outside(pod) or pod in wanted}


def _with_all_bins(found: Mapping[str, Cumulative], known: Mapping[str, Cumulative]) -> dict[str, Cumulative]:
    """Every pod with every bin that any pod has, now or before: a bin without a series has nothing in it."""
    every = [counted for counted in (*known.values(), *found.values()) if isinstance(counted, Bins)]
    names = tuple(sorted({edge for counted in every for edge in counted.edges}))
    return {
        pod: Bins(names, counted.total, tuple(counted.by_edge().get(name, 0.0) for name in names))
        for pod, counted in found.items()
        if isinstance(counted, Bins)
    }


def _counts(gate: Gate, tick: Tick, arm: Arm, known: Mapping[str, Cumulative]) -> dict[str, Cumulative]:
    query = gate.query
    assert query is not None
    assert query.total is not None
    part = query.bad or query.good or query.events
    assert part is not None
    totals, parts = _answer(gate, tick, query.total, arm), _answer(gate, tick, part, arm)
    good = query.good is not None or (query.events is not None and gate.worse is Direction.LOWER)
    found: dict[str, Cumulative] = {}
    for instance, total in totals.items():
        before = known.get(instance)
        some_before = isinstance(before, Counts) and (before.total - before.bad if good else before.bad) > 0
        if total < 0 or (instance not in parts and some_before):
            continue
        counted = min(total, max(0.0, parts.get(instance, 0.0)))
        found[instance] = Counts(total=total, bad=total - counted if good else counted)
    return found


def _bins(gate: Gate, tick: Tick, arm: Arm) -> dict[str, Cumulative]:
    query = gate.query
    assert query is not None
    text, label = (query.buckets, "le") if query.buckets is not None else (query.bins, query.bin_label)
    assert text is not None
    assert label is not None
    by_instance: dict[str, dict[str, float]] = {}
    for series in _series(gate, tick, text, arm):
        if label not in series.labels:
            raise _Unreadable(f"gate {gate.name}: the query gives a series without the label {label}")
        if series.value < 0:
            continue
        bins = by_instance.setdefault(_instance(arm, series), {})
        if series.labels[label] in bins:
            raise _Unreadable(f"gate {gate.name}: two series have the same {label}; use sum by (pod, {label})")
        bins[series.labels[label]] = series.value
    found: dict[str, Cumulative] = {}
    for instance, values in by_instance.items():
        one = buckets(values) if query.buckets is not None else _unordered(values)
        if one is not None and len(one.edges) > MAX_EDGES:
            raise _Unreadable(f"gate {gate.name}: {len(one.edges)} bins are more than {MAX_EDGES}; use fewer")
        if one is not None:
            found[instance] = one
    return found


def _unordered(values: Mapping[str, float]) -> Bins:
    """Bins of a set: each is an edge of its own, "in it or not". A bin that nobody has seen yet has none in it."""
    names = tuple(sorted(values))
    return Bins(names, sum(values.values()), tuple(values[name] for name in names))


def _answer(gate: Gate, tick: Tick, text: str, arm: Arm) -> dict[str, float]:
    found: dict[str, float] = {}
    for series in _series(gate, tick, text, arm):
        instance = _instance(arm, series)
        if instance in found:
            raise _Unreadable(
                f"gate {gate.name}: the query gives several series that no label pod tells apart; use sum by (pod)"
            )
        found[instance] = series.value
    return found


def _series(gate: Gate, tick: Tick, text: str, arm: Arm) -> tuple[Series, ...]:
    answer = tick.answers.get(fill(text, arm), "it was not asked yet")
    if isinstance(answer, str):
        raise _Unreadable(f"gate {gate.name}: {answer}")
    return tuple(series for series in answer if math.isfinite(series.value))


def _instance(arm: Arm, series: Series) -> str:
    """The pod's own name for a pod of the version; else a name that tells whose number it is."""
    pod = series.labels.get(_POD, "")
    return pod if pod.startswith(arm.child + "-") else f"{arm.child}{_OUTSIDE}{pod}"
