"""Many rollouts at once, in ten teams and in a canary that does not end, and what they ask of Prometheus."""

from collections.abc import Sequence
from datetime import datetime

from modelrollout.api.gates import Gate
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.rollout import DEFAULT_GATES, CanaryStage, Stage
from tests import builders
from tests.faults.world import World

WEIGHTS = (5, 50)
SETTLED_SECONDS = 90
Place = dict[str, str]


def comparing(version: str, *, gates: Sequence[Gate] = DEFAULT_GATES) -> ModelDeploymentSpec:
    endless = Stage(canary=CanaryStage(weights=WEIGHTS, hold_for="1h"))
    return builders.spec(version, stages=(endless,), gates=tuple(gates))


def places(rollouts: int) -> list[Place]:
    return [{"name": f"model-{number}", "namespace": f"team-{number % 10}"} for number in range(rollouts)]


async def applied(world: World, spec: ModelDeploymentSpec, where: Sequence[Place]) -> None:
    """Everywhere; the first version is live afterwards, a second one in its canary."""
    for place in where:
        world.apply(spec, **place)
    await world.clock.run(SETTLED_SECONDS)


async def asked_in_a_minute(world: World, where: Sequence[Place]) -> list[tuple[str, datetime]]:
    """Each query and its time, while all are in the first step of their canary."""
    assert {world.status(**place)["weight"] for place in where} == {WEIGHTS[0]}
    world.prometheus.asked.clear()
    await world.clock.run(60)
    return list(world.prometheus.asked)
