"""Counters under any mixture of traffic, restarts, gaps and new pods."""

import math
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.evidence import Counts, carry, difference, readings


@dataclass(frozen=True, slots=True)
class Tick:
    """What one pod goes through between two readings."""

    before_restart: Counts
    restarted: bool
    after_restart: Counts
    readable: bool


traffic = st.integers(0, 50).flatmap(lambda total: st.builds(Counts, st.just(total), st.integers(0, total)))
ticks = st.builds(Tick, traffic, st.booleans(), traffic, st.booleans())
lives = st.dictionaries(st.sampled_from("abc"), st.lists(ticks, min_size=1, max_size=8), min_size=1)


def replay(pods: dict[str, list[Tick]], *, young: frozenset[str]) -> tuple[Counts, Counts, Counts]:
    """What was counted, what was served, and what the first readable reading of the other pods showed.

    The first reading comes before all ticks and finds the pods that are not young."""
    value = {pod: Counts() for pod in pods}
    baseline: dict[str, Counts] = {pod: Counts(100, 50) for pod in pods if pod not in young}
    value |= baseline
    counted = served = Counts()
    for number in range(max(len(life) for life in pods.values())):
        raw = {}
        for pod, life in pods.items():
            if number >= len(life):
                continue
            tick = life[number]
            served = served + tick.before_restart + (tick.after_restart if tick.restarted else Counts())
            value[pod] = tick.after_restart if tick.restarted else value[pod] + tick.before_restart
            raw[pod] = (value[pod].total, value[pod].bad) if tick.readable else (math.nan, math.nan)
        current = readings(raw)
        step = difference(previous=baseline, current=current, started_since=young)
        assert 0 <= step.bad <= step.total
        counted = counted + step
        baseline = carry(previous=baseline, current=current)
    return counted, served, sum(baseline.values(), Counts())


@given(lives, st.sets(st.sampled_from("abc")))
@settings(deadline=None, max_examples=200)
def test_no_request_is_counted_twice(pods: dict[str, list[Tick]], young: set[str]) -> None:
    counted, served, _ = replay(pods, young=frozenset(young))
    assert counted.total <= served.total
    assert counted.bad <= served.bad


@given(lives, st.sets(st.sampled_from("abc")))
@settings(deadline=None, max_examples=200)
def test_without_restarts_nothing_is_lost_up_to_the_last_reading(pods: dict[str, list[Tick]], young: set[str]) -> None:
    steady = {
        pod: [Tick(tick.before_restart, False, Counts(), tick.readable) for tick in life] for pod, life in pods.items()
    }
    counted, _, last = replay(steady, young=frozenset(young))
    known = len(set(pods) - young)
    assert counted == Counts(last.total - 100 * known, last.bad - 50 * known)


@given(lives)
@settings(deadline=None, max_examples=100)
def test_unknown_pods_only_give_a_baseline(pods: dict[str, list[Tick]]) -> None:
    for life in pods.values():
        tick = life[0]
        current = readings({"x": (tick.before_restart.total, tick.before_restart.bad)})
        assert difference(previous={}, current=current) == Counts()
        assert difference(previous=carry(previous={}, current=current), current=current) == Counts()
