"""What an observer adds to the counts of `test_counts`: one query a tick for all of them, and no request a minute."""

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.rollout import DEFAULT_GATES
from tests.bench.canaries import applied, asked_in_a_minute, comparing, places
from tests.bench.table import show
from tests.builders import AGREEMENT
from tests.faults.world import World


def observed(version: str) -> ModelDeploymentSpec:
    """With the gates that are there by default and one of agreement."""
    return comparing(version, gates=(*DEFAULT_GATES, AGREEMENT))


@pytest.mark.parametrize("rollouts", [1, 10, 50])
async def test_pairs_of_all_rollouts_are_one_query_more_a_tick(rollouts: int) -> None:
    where = places(rollouts)
    async with World(requests_per_second=40) as world:
        await world.start()
        for version in ("1", "2"):
            await applied(world, observed(version), where)
        asked = await asked_in_a_minute(world, where)
        ticks, queries = len({at for _, at in asked}), len(asked)
        show(f"Prometheus, {rollouts} with an observer", ("ticks", "queries"), [(ticks, queries)])
        assert queries == 3 * ticks


async def test_an_observer_that_stands_costs_no_request_to_the_api_server() -> None:
    async with World(requests_per_second=40) as world:
        await world.start()
        for version in ("1", "2"):
            world.apply(observed(version))
            await world.clock.run(90)
        before = len(world.lines[0].log)
        await world.run(600)
        requests = world.lines[0].log[before:]
        show("API requests a minute, with an observer", ("all",), [(len(requests) / 10,)])
        assert not any(request.name.endswith("-observer") for request in requests)
        assert len(requests) <= 80
