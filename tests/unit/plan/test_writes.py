"""How often a rollout writes: each change of what people read, evidence twice a minute, and nothing else."""

from typing import Any

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.rollout import CanaryStage, Pace, Stage
from tests.builders import CANARY, SHADOW, SOAK, id_of, spec
from tests.property.plan.world import World

LONG = Stage(canary=CanaryStage(weights=(5, 10, 25, 50), hold_for="5m"))
FREQUENT = Stage(canary=CanaryStage(weights=(1, 5, 10, 25, 50), hold_for="60s"))
SLOW = Stage(canary=CanaryStage(pace=Pace.EVIDENCE, error_budget=1, hold_for="10m"))


def canary_of(**policy: Any) -> World:
    """Version 1 is live, version 2 has just begun its canary, and nothing is left to do."""
    world = World(spec("1", **policy), requests_per_second=200)
    world.run(15)
    world.pass_time(60)
    world.edit(spec("2", **policy))
    while world.status.stage is not StageName.CANARY:
        world.run(5)
    world.writes = 0
    return world


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({"stages": (LONG, SOAK)}, id="long-hold"),
        pytest.param({"stages": (SHADOW, CANARY, SOAK)}, id="after-a-shadow"),
        pytest.param({"stages": (FREQUENT, SOAK), "replicas": 10}, id="a-step-a-minute"),
        pytest.param({"stages": (SLOW, SOAK), "replicas": 10}, id="pace-evidence"),
        pytest.param({"stages": (FREQUENT, SOAK), "replicas": 10, "route": False}, id="without-a-route"),
    ],
)
def test_a_canary_of_five_minutes_with_a_reading_each_five_seconds_writes_eight_times_a_minute_at_most(
    policy: dict[str, Any],
) -> None:
    world = canary_of(**policy)
    world.bad_share = {id_of(spec("1")): 0.002, id_of(spec("2")): 0.002}

    for minute in range(5):
        before = world.writes
        world.run(60)
        assert world.writes - before <= 8, f"minute {minute + 1}"


def test_while_a_weight_is_held_evidence_and_its_message_are_written_twice_a_minute_each() -> None:
    world = canary_of(stages=(LONG, SOAK))
    world.run(60)
    before = world.writes

    world.run(120)

    assert world.writes - before == 8


@pytest.mark.parametrize("trouble", ["no traffic", "no Prometheus", "no pods"])
def test_nothing_is_written_while_nothing_happens(trouble: str) -> None:
    world = canary_of(stages=(LONG, SOAK))
    world.run(30)
    if trouble == "no traffic":
        world.requests_per_second = 0

    def minute() -> int:
        before = world.writes
        for _ in range(12):
            world.pass_time(5)
            if trouble == "no Prometheus":
                world.fail_to_read()
            else:
                world.read()
            world.settle()
        return world.writes - before

    minute()

    assert minute() <= (0 if trouble == "no Prometheus" else 4)


def test_a_step_that_waits_for_slow_pods_writes_no_more_than_one_that_does_not() -> None:
    """A model that takes minutes to load: events of its pods and readings come in turns."""
    world = canary_of(stages=(FREQUENT, SOAK), replicas=10)
    counts = []

    for _ in range(3):
        before = world.writes
        for _ in range(12):
            world.pass_time(5)
            world.settle()
            world.read()
            world.settle()
        counts.append(world.writes - before)

    assert max(counts) <= 8


def test_an_idle_deployment_writes_nothing_and_asks_for_nothing() -> None:
    world = World(spec("1"))
    world.run(15)
    before = world.writes

    plans = world.run(600)

    assert plans == []
    assert world.writes == before


def test_a_rolled_back_deployment_writes_nothing_once_its_pods_are_gone() -> None:
    world = canary_of(stages=(LONG, SOAK))
    world.bad_share = {id_of(spec("2")): 0.5}
    world.run(60)
    before = world.writes

    plans = world.run(600)

    assert world.status.rejected == id_of(spec("2"))
    assert plans == []
    assert world.writes == before


def test_the_whole_of_a_rollout_takes_few_writes() -> None:
    world = World(spec("1", stages=(SHADOW, CANARY, SOAK)), requests_per_second=200)
    world.run(15)
    world.writes = 0
    world.edit(spec("2", stages=(SHADOW, CANARY, SOAK)))

    world.run(20 * 60)

    assert world.status.stable == id_of(spec("2"))
    assert world.writes <= 60
