"""What the cache keeps of revisions: all of them at hand in a rollout, and packed when nobody needs them."""

import pytest

from modelrollout.adapters.kubernetes import MODEL_REVISIONS
from modelrollout.api.modelrevision import ModelRevision
from modelrollout.runtime.kept import Revision
from tests.bench.sizes import weigh
from tests.builders import NAME, NAMESPACE
from tests.faults.scenarios import GOOD, LIMIT_SECONDS, SCENARIOS, Scenario, play
from tests.faults.world import World

PACKED_BYTES = 6000


def kept(world: World) -> dict[str, Revision]:
    return world.processes[-1].cache.family((NAMESPACE, NAME)).revisions


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_after_a_rollout_they_are_packed_and_say_what_the_api_server_says(scenario: Scenario) -> None:
    async with World() as world:
        await scenario.begin(world)
        await play(scenario, world)
        await world.run(5)
        stored = {body["metadata"]["name"]: ModelRevision.read(body) for body in world.store.all(MODEL_REVISIONS)}
        assert {name: one.read() for name, one in kept(world).items()} == {
            name: (one.spec, one.status) for name, one in stored.items()
        }
        assert all(weigh(one, set()) < PACKED_BYTES for one in kept(world).values())


async def test_in_a_rollout_they_are_read_once() -> None:
    async with World() as world:
        await GOOD.begin(world)
        GOOD.act(world)
        await world.until(lambda: world.status().get("stage") == "Canary", within=LIMIT_SECONDS)
        assert len(kept(world)) == 2
        assert all(one.read() is one.read() for one in kept(world).values())


async def test_a_process_that_starts_packs_a_history_as_it_hears_of_it() -> None:
    async with World() as world:
        await GOOD.begin(world)
        await play(GOOD, world)
        await world.end(world.processes[-1])
        await world.start()
        assert len(kept(world)) == 2
        assert all(weigh(one, set()) < PACKED_BYTES for one in kept(world).values())
