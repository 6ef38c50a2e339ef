"""The budgets of requests hold where people steer, configuration is content, and the soak is watched."""

from collections import Counter

import pytest

from modelrollout.adapters.kubernetes import CONFIG_MAPS, SECRETS
from modelrollout.api.config import Config
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.rollout import DEFAULT_GATES, CanaryStage, ReviewStage, SoakStage, Stage
from modelrollout.api.rolloutaction import Verb
from tests import builders
from tests.bench.table import show
from tests.builders import NAMESPACE
from tests.faults.world import World

CANARY = Stage(canary=CanaryStage(weights=(5, 50), hold_for="1h"))
REVIEW = Stage(review=ReviewStage())
SOAK = Stage(soak=SoakStage(hold_for="2h", holdback=5))
MINUTES = 10

SITUATIONS: dict[str, tuple[tuple[Stage, ...], str, int]] = {
    "canary": ((CANARY,), "Canary", 8),
    "paused": ((CANARY,), "Canary", 8),
    "waits for a review": ((REVIEW, CANARY), "Review", 0),
    "soak with a holdback": ((SOAK,), "Soak", 8),
    "soak without one": ((Stage(soak=SoakStage(hold_for="2h")),), "Soak", 0),
}
"""Stages, the stage that is looked at, and API requests a minute at most."""


def configured(version: str, *stages: Stage, secrets: tuple[str, ...] = ()) -> ModelDeploymentSpec:
    spec = builders.spec(version, stages=stages, gates=DEFAULT_GATES)
    config = Config(config_map_refs=("fraud-settings",), secret_refs=secrets)
    return spec.model_copy(update={"config": config})


async def installed(world: World, *stages: Stage, secrets: tuple[str, ...] = ()) -> None:
    """Version 1 is live, with configuration, and has seen twenty actions."""
    for resource, name in ((CONFIG_MAPS, "fraud-settings"), *((SECRETS, secret) for secret in secrets)):
        body = {"apiVersion": "v1", "kind": resource.kind, "metadata": {"name": name, "namespace": NAMESPACE}}
        world.store.apply(resource, {**body, "data": {"threshold": "MC44"}}, manager="people")
    world.apply(configured("1", *stages, secrets=secrets))
    await world.start()
    await world.until(lambda: world.status().get("stage") == "Live", within=60)
    for _ in range(20):
        world.ask(Verb.RESUME)
    await world.run(60)


async def a_minute(world: World, title: str) -> float:
    before = len(world.lines[0].log)
    await world.run(60 * MINUTES)
    requests = world.lines[0].log[before:]
    counts = Counter(f"{request.verb} {request.resource.plural}" for request in requests)
    rows = [*((name, count / MINUTES) for name, count in sorted(counts.items())), ("all", len(requests) / MINUTES)]
    show(f"API requests a minute: {title}", ("request", "a minute"), rows)
    return len(requests) / MINUTES


@pytest.mark.parametrize("name", SITUATIONS)
async def test_a_rollout_under_way_stays_within_the_budget(name: str) -> None:
    stages, stage, most = SITUATIONS[name]
    async with World(requests_per_second=40) as world:
        await installed(world, *stages)
        world.apply(configured("2", *stages))
        await world.until(lambda: world.status().get("stage") == stage, within=120)
        await world.run(120)
        if name == "paused":
            world.ask(Verb.PAUSE)
            await world.run(10)
        assert await a_minute(world, name) <= most
        assert world.status()["stage"] == stage


async def test_idle_and_rolled_back_it_is_silent() -> None:
    async with World(requests_per_second=40) as world:
        await installed(world, CANARY)
        assert await a_minute(world, "idle") == 0
        world.apply(configured("2", CANARY))
        await world.until(lambda: world.status().get("weight") == 5, within=120)
        world.ask(Verb.ROLLBACK)
        await world.run(60)
        assert world.condition("RolledBack")["status"] == "True"
        assert await a_minute(world, "rolled back by a person") == 0


async def test_a_secret_that_counts_is_one_request_a_minute() -> None:
    """Secrets are not watched: the operator may get those that it was granted, and no more."""
    async with World(requests_per_second=40) as world:
        await installed(world, CANARY, secrets=("fraud-key",))
        assert await a_minute(world, "idle, with a Secret") <= 1
