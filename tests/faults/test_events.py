"""Watch events that come twice, late, out of order or from the past: what is newer stays, and the end is the same."""

import random
from collections.abc import Callable, Iterable

import pytest

from modelrollout.adapters.kubernetes import DEPLOYMENTS, MODEL_DEPLOYMENTS, Resource
from modelrollout.api.revision import child_name
from tests.builders import NAME, NAMESPACE, id_of
from tests.faults.controllers import IMAGE_PULL
from tests.faults.process import Delivery
from tests.faults.scenarios import GOOD, SCENARIOS, Scenario, differences, play, recorded
from tests.faults.store import Change
from tests.faults.world import World, brisk


def twice(change: Change) -> Iterable[tuple[float, Change]]:
    return ((0.0, change), (0.0, change))


class Echo:
    """With each event comes one from the past of any object that still exists."""

    def __init__(self) -> None:
        self._dice = random.Random(5)
        self._past: dict[str, list[Change]] = {}

    def __call__(self, change: Change) -> Iterable[tuple[float, Change]]:
        uid = change.body["metadata"]["uid"]
        if change.type == "DELETED":
            self._past.pop(uid, None)
        else:
            self._past.setdefault(uid, []).append(change)
        past = [old for changes in self._past.values() for old in changes]
        return ((0.0, change), (0.0, self._dice.choice(past))) if past else ((0.0, change),)


class Late:
    """Each kind has a watch of its own, which is up to a second late, now more and now less."""

    def __init__(self) -> None:
        self._dice = random.Random(5)
        self._lateness: dict[Resource, float] = {}

    def __call__(self, change: Change) -> Iterable[tuple[float, Change]]:
        if self._dice.random() < 0.1:
            self._lateness[change.resource] = self._dice.uniform(0, 1)
        return ((self._lateness.get(change.resource, 0.0), change),)


@pytest.mark.parametrize("delivery", [lambda: twice, Echo, Late], ids=["twice", "from-the-past", "late"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_events_in_disorder_end_as_events_in_order_do(
    scenario: Scenario, delivery: Callable[[], Delivery]
) -> None:
    _, undisturbed = await recorded(scenario)
    async with World() as world:
        await scenario.begin(world)
        await world.end(world.processes[0])
        await world.start(deliver=delivery())
        await play(scenario, world)
        assert not differences(world.picture(), undisturbed)


async def test_a_workload_that_somebody_deletes_comes_back() -> None:
    async with World() as world:
        await GOOD.begin(world)
        live = child_name(NAME, id_of(brisk("1")))
        world.watchdog.faults.clear()
        world.store.delete(DEPLOYMENTS, namespace=NAMESPACE, name=live)
        await world.clock.run(5)
        deployment = world.store.get(DEPLOYMENTS, NAMESPACE, live)
        assert deployment["status"]["readyReplicas"] == 3


async def test_a_deleted_deployment_leaves_nothing_behind_whatever_the_stage() -> None:
    async with World() as world:
        await GOOD.begin(world)
        world.apply(brisk("2"))
        await world.until(lambda: world.status().get("stage") == "Canary", within=60)
        world.store.delete(MODEL_DEPLOYMENTS, namespace=NAMESPACE, name=NAME)
        await world.clock.run(10)
        left = {change.resource.plural for change in world.store.changes if world.store.look(change.resource)}
        assert left == {"events"}
        asked = len(world.prometheus.asked)
        await world.clock.run(30)
        assert len(world.prometheus.asked) == asked


async def test_pods_that_go_away_take_their_share_of_traffic_along_and_bring_it_back() -> None:
    async with World() as world:
        await GOOD.begin(world)
        world.apply(GOOD.new)
        await world.until(lambda: world.weight(GOOD.new) == 50, within=60, step=0.25)
        world.controllers.trouble(id_of(GOOD.new), IMAGE_PULL)
        await world.clock.run(2)
        assert (world.weight(GOOD.new), world.weight(brisk("1"))) == (0, 100)
        assert world.status()["stage"] == "Canary", "a failed pull says nothing about the model"
        world.watchdog.forgiven = world.traffic.lost()
        assert world.watchdog.forgiven < world.traffic.requests_per_second
        world.controllers.troubles.clear()
        await world.until(lambda: GOOD.has_ended(world), within=120)


async def test_a_way_back_in_the_moment_after_the_pods_were_given_up_waits_for_new_ones() -> None:
    """The watch has not told yet that they go."""

    def slowly(change: Change) -> Iterable[tuple[float, Change]]:
        return ((3.0 if change.resource is DEPLOYMENTS else 0.0, change),)

    async with World() as world:
        await GOOD.begin(world)
        await world.end(world.processes[0])
        await world.start(deliver=slowly)
        before = child_name(NAME, id_of(brisk("1")))
        world.apply(brisk("2"))
        await world.until(lambda: world.store.find(DEPLOYMENTS, NAMESPACE, before) is None, within=200, step=0.1)

        world.apply(brisk("1"))

        await world.until(lambda: world.is_live(brisk("1")), within=200)
        world.watchdog.check()
