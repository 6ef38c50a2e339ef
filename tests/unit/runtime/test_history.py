"""phi of a rollout: what is asked of the past, and what is made of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from modelrollout.adapters.prometheus import History, PrometheusUnavailable, Series
from modelrollout.api.gates import Gate, Signal
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.evidence.dispersion import PRIOR
from modelrollout.runtime.history import HISTORY, Histories
from modelrollout.runtime.hub import Tick
from modelrollout.runtime.readings import Arms, Look
from tests.builders import NAME, NAMESPACE, NOW, id_of, pod, spec

V1, V2 = spec("1"), spec("2")
STEP = 30
STEPS = 400
ERRORS = Gate(name="errors", signal=Signal.ERRORS)


class Past:
    """Prometheus' answer to a range, and what it was asked."""

    def __init__(self, *history: History, down: str | None = None) -> None:
        self.history = history
        self.down = down
        self.asked: list[tuple[str, datetime, datetime, int]] = []

    async def instant(self, query: str, at: datetime) -> tuple[Series, ...]:
        raise AssertionError("history is asked as a range")

    async def range(self, query: str, *, begin: datetime, end: datetime, step_seconds: int) -> tuple[History, ...]:
        self.asked.append((query, begin, end, step_seconds))
        if self.down is not None:
            raise PrometheusUnavailable(self.down)
        return self.history


def name_of(of: ModelDeploymentSpec, number: int) -> str:
    return f"{NAME}-{id_of(of)}-7f-{number}"


def served(name: str, *, bad: Mapping[int, int]) -> tuple[History, History]:
    """A pod that answers 100 requests a step; `bad` says how many of them fail in which step."""
    begin = NOW.timestamp() - STEPS * STEP
    good: dict[float, float] = {}
    failed: dict[float, float] = {}
    for step in range(STEPS):
        so_far = sum(count for when, count in bad.items() if when <= step)
        good[begin + step * STEP] = 100.0 * (step + 1) - so_far
        failed[begin + step * STEP] = so_far
    labels = {"namespace": NAMESPACE, "pod": name}
    return History({**labels, "status_code": "200"}, good), History({**labels, "status_code": "500"}, failed)


def look(*gates: Gate) -> Look:
    rollout = V2.rollout.model_copy(update={"gates": gates or (ERRORS,)})
    return Look(
        tick=Tick(at=NOW, readings={}),
        spec=V2.model_copy(update={"rollout": rollout}),
        arms=Arms.of(NAMESPACE, NAME, candidate=id_of(V2), stable=id_of(V1)),
        pods=(),
    )


EVERY_TENTH = {step: 1 for step in range(0, STEPS, 10)}
RUNS_OF_TEN = {step: 10 for step in range(0, STEPS, 100)}


async def test_independent_errors_of_two_pods_need_no_correction() -> None:
    past = Past(*served(name_of(V1, 1), bad=EVERY_TENTH), *served(name_of(V1, 2), bad=EVERY_TENTH))

    found = (await Histories(past).dispersions(look()))["errors"]

    assert found.reason is None
    assert 1.0 <= found.phi <= PRIOR
    assert found.pods == 2


async def test_errors_that_come_in_runs_to_one_pod_at_a_time_do() -> None:
    past = Past(*served(name_of(V1, 1), bad=RUNS_OF_TEN), *served(name_of(V1, 2), bad={}))

    found = (await Histories(past).dispersions(look()))["errors"]

    assert found.phi > 5


async def test_pods_of_other_revisions_are_not_the_live_version() -> None:
    past = Past(*served(name_of(V1, 1), bad=RUNS_OF_TEN), *served(name_of(V2, 1), bad={}))

    found = (await Histories(past).dispersions(look()))["errors"]

    assert (found.phi, found.reason) == (PRIOR, "the history has fewer than two stable pods to compare")


async def test_a_pod_counts_from_its_warm_up_on() -> None:
    """Its first minutes look like a run of errors; they are no more than its start."""
    cold = look()
    young = replace(pod(of=V1), name=name_of(V1, 1), ready_since=NOW - timedelta(seconds=150 * STEP))
    past = Past(*served(name_of(V1, 1), bad=EVERY_TENTH | {205: 90}), *served(name_of(V1, 2), bad=EVERY_TENTH))

    warm = await Histories(past).dispersions(Look(tick=cold.tick, spec=cold.spec, arms=cold.arms, pods=(young,)))
    whole = await Histories(past).dispersions(cold)

    assert warm["errors"].phi < 2 < whole["errors"].phi


async def test_one_range_of_the_past_is_asked_for_each_family() -> None:
    past = Past()
    gates = (
        ERRORS,
        Gate(name="more-errors", signal=Signal.ERRORS),
        Gate(name="latency", signal=Signal.LATENCY, over="250ms"),
    )

    await Histories(past).dispersions(look(*gates))

    assert len(past.asked) == 2
    query, begin, end, step = past.asked[0]
    assert (end - begin, end, step) == (HISTORY, NOW, STEP)
    assert "rest_server_requests_total" in query


@pytest.mark.parametrize(
    ("past", "reason"),
    [
        (Past(), "there is no history of the stable pods"),
        (Past(down="too many samples"), "the history could not be read: too many samples"),
    ],
)
async def test_a_past_that_is_unknown_gives_the_prior_and_says_so(past: Past, reason: str) -> None:
    found = (await Histories(past).dispersions(look()))["errors"]

    assert (found.phi, found.reason) == (PRIOR, reason)
    assert str(found) == f"phi 1.5 by default: {reason}"


async def test_every_question_is_counted() -> None:
    counted: list[str] = []

    await Histories(Past(down="refused"), on_query=counted.append).dispersions(look())
    await Histories(Past(), on_query=counted.append).dispersions(look())

    assert counted == ["unavailable", "success"]
