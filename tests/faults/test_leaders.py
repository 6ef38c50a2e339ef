"""Two processes that both believe they lead, for a whole rollout: worse than any takeover can be."""

import pytest

from tests.faults.scenarios import SCENARIOS, Scenario, differences, play, recorded
from tests.faults.world import World


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_two_leaders_at_once_end_as_one_does(scenario: Scenario) -> None:
    _, undisturbed = await recorded(scenario)
    async with World() as world:
        await scenario.begin(world)
        await world.start()
        await play(scenario, world)
        assert all(any(request.is_write for request in line.log) for line in world.lines)
        assert not differences(world.picture(), undisturbed)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_a_leader_that_hears_nothing_any_more_cannot_undo_what_its_successor_does(scenario: Scenario) -> None:
    _, undisturbed = await recorded(scenario)
    async with World() as world:
        await scenario.begin(world)
        await world.end(world.processes[0])
        await world.start(deliver=lambda _: ())
        await world.start()
        await play(scenario, world)
        assert not differences(world.picture(), undisturbed)
