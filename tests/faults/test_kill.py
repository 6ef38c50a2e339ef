"""`kill -9` before and after every single write of whole rollouts: a successor that knows nothing ends them alike."""

import asyncio
import random

import pytest

from tests.faults.controllers import cancelled
from tests.faults.direct import Moment
from tests.faults.scenarios import (
    BAD_ONE,
    GOOD,
    SCENARIOS,
    Kill,
    Misfortune,
    Scenario,
    differences,
    loses_at_most_a_baseline,
    play,
    recorded,
)
from tests.faults.world import World


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_a_kill_at_any_write_changes_nothing_about_the_end(scenario: Scenario, moment: Moment) -> None:
    writes, undisturbed = await recorded(scenario)
    wrong = []
    for number, request in enumerate(writes, start=1):
        async with World() as world:
            await scenario.begin(world)
            kill = Kill(world, number, moment)
            world.meddle = kill
            try:
                story = await play(scenario, world)
                assert kill.victim == request
                assert len(story.restarts) == 1
                assert not differences(world.picture(), undisturbed)
                loses_at_most_a_baseline(scenario, story)
            except AssertionError as error:
                wrong.append(f"killed {moment} write {number}, {request}: {str(error).splitlines()[0]}")
    assert not wrong, f"{len(wrong)} of {len(writes)}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("scenario", [GOOD, BAD_ONE], ids=lambda scenario: scenario.name)
async def test_a_kill_at_any_time_between_two_writes_changes_nothing_about_the_end(scenario: Scenario) -> None:
    _, undisturbed = await recorded(scenario)
    wrong = []
    for tenths in range(2, 300, 13):
        async with World() as world:
            await scenario.begin(world)
            dies = asyncio.get_running_loop().create_task(_die_after(world, tenths / 10))
            try:
                story = await play(scenario, world)
                assert not differences(world.picture(), undisturbed)
                loses_at_most_a_baseline(scenario, story)
            except AssertionError as error:
                wrong.append(f"killed after {tenths / 10} s: {str(error).splitlines()[0]}")
            await cancelled(dies)
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_processes_that_die_again_and_again_still_get_there(scenario: Scenario, seed: int) -> None:
    _, undisturbed = await recorded(scenario)
    async with World() as world:
        await scenario.begin(world)
        world.meddle = Misfortune(world, chance=0.1, dice=random.Random(seed))
        await play(scenario, world)
        assert not differences(world.picture(), undisturbed)


async def _die_after(world: World, seconds: float) -> None:
    await world.clock.sleep(seconds)
    world.lines[-1].die()
