"""What an observer adds to the counts of `test_counts`: one query a tick for all of them, and no request a minute."""

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.rollout import DEFAULT_GATES, CanaryStage, Stage
from tests import builders
from tests.bench.table import show
from tests.builders import AGREEMENT
from tests.faults.world import World


def comparing(version: str) -> ModelDeploymentSpec:
    """A canary that does not end, with the gates that are there by default and one of agreement."""
    endless = Stage(canary=CanaryStage(weights=(5, 50), hold_for="1h"))
    return builders.spec(version, stages=(endless,), gates=(*DEFAULT_GATES, AGREEMENT))


@pytest.mark.parametrize("rollouts", [1, 10, 50])
async def test_pairs_of_all_rollouts_are_one_query_more_a_tick(rollouts: int) -> None:
    places = [{"name": f"model-{number}", "namespace": f"team-{number % 10}"} for number in range(rollouts)]
    async with World(requests_per_second=40) as world:
        await world.start()
        for version in ("1", "2"):
            for place in places:
                world.apply(comparing(version), **place)
            await world.clock.run(90)
        assert {world.status(**place)["weight"] for place in places} == {5}
        world.prometheus.asked.clear()
        await world.clock.run(60)
        ticks, queries = len({at for _, at in world.prometheus.asked}), len(world.prometheus.asked)
        show(f"Prometheus, {rollouts} with an observer", ("ticks", "queries"), [(ticks, queries)])
        assert queries == 3 * ticks


async def test_an_observer_that_stands_costs_no_request_to_the_api_server() -> None:
    async with World(requests_per_second=40) as world:
        await world.start()
        for version in ("1", "2"):
            world.apply(comparing(version))
            await world.clock.run(90)
        before = len(world.lines[0].log)
        await world.run(600)
        requests = world.lines[0].log[before:]
        show("API requests a minute, with an observer", ("all",), [(len(requests) / 10,)])
        assert not any(request.name.endswith("-observer") for request in requests)
        assert len(requests) <= 80
