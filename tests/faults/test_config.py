"""Configuration as content: an edit of a ConfigMap is a rollout, and nobody's pods ever see it change."""

from typing import Any

import pytest

from modelrollout.adapters.kubernetes import CONFIG_MAPS, DEPLOYMENTS, MODEL_DEPLOYMENTS, MODEL_REVISIONS, JsonObject
from modelrollout.api.config import Config
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.rolloutaction import Verb
from modelrollout.children.config import config_maps_of
from tests.builders import NAME, NAMESPACE
from tests.faults.direct import Moment
from tests.faults.scenarios import Kill
from tests.faults.traffic import Behaviour
from tests.faults.world import CANARY, SOAK, World, brisk

TEMPLATE = {
    "spec": {
        "containers": [{"name": "server", "image": "fraud:1", "envFrom": [{"configMapRef": {"name": "settings"}}]}]
    }
}


def configured(version: str = "1", **changes: Any) -> ModelDeploymentSpec:
    plain = brisk(version, stages=(CANARY, SOAK))
    serving = plain.serving.model_copy(update={"template": TEMPLATE})
    return plain.model_copy(update={"config": Config(config_map_refs=("settings",)), "serving": serving, **changes})


def put(world: World, threshold: str) -> None:
    body = {"metadata": {"name": "settings", "namespace": NAMESPACE}, "data": {"threshold": threshold}}
    world.store.apply(CONFIG_MAPS, body, manager="people")


async def live_with(world: World, threshold: str) -> str:
    """A version is live with this configuration; gives its revision."""
    put(world, threshold)
    world.apply(configured())
    await world.start()
    await world.until(lambda: world.status().get("stage") == "Live", within=60)
    return str(world.status()["stable"])


def read_by(world: World, revision: str) -> dict[str, str]:
    """What the pods of a revision read."""
    deployment = world.store.get(DEPLOYMENTS, NAMESPACE, f"{NAME}-{revision}")
    (copy,) = config_maps_of(deployment["spec"]["template"])
    data: dict[str, str] = world.store.get(CONFIG_MAPS, NAMESPACE, copy)["data"]
    return data


def copies(world: World) -> list[JsonObject]:
    return [body for body in world.store.all(CONFIG_MAPS) if body["metadata"]["name"] != "settings"]


async def test_an_edit_is_rolled_out_like_any_other_version() -> None:
    async with World() as world:
        before = await live_with(world, "0.5")

        put(world, "0.6")
        await world.until(lambda: world.status().get("candidate") is not None, within=10)
        candidate = world.status()["candidate"]

        assert read_by(world, before) == {"threshold": "0.5"}
        await world.until(lambda: world.status().get("stable") == candidate, within=120)
        assert read_by(world, candidate) == {"threshold": "0.6"}
        revision = world.store.get(MODEL_REVISIONS, NAMESPACE, f"{NAME}-{candidate}")
        assert "config: ConfigMap settings: threshold: 0.5 → 0.6" in revision["status"]["changes"]["entries"]


async def test_where_the_old_content_is_gone_the_changelog_says_that_it_changed() -> None:
    async with World() as world:
        await live_with(world, "0.5")
        for copy in copies(world):
            world.store.delete(CONFIG_MAPS, namespace=NAMESPACE, name=copy["metadata"]["name"])

        put(world, "0.6")
        await world.until(lambda: world.status().get("candidate") is not None, within=10)

        revision = world.store.get(MODEL_REVISIONS, NAMESPACE, f"{NAME}-{world.status()['candidate']}")
        assert "config: ConfigMap settings changed" in revision["status"]["changes"]["entries"]


async def test_an_edit_that_breaks_the_model_is_rolled_back_and_the_live_pods_read_the_old_content_throughout() -> None:
    async with World() as world:
        before = await live_with(world, "0.5")
        seen = []
        world.store.listeners.append(lambda _: seen.append(read_by(world, before)))

        put(world, "nonsense")
        await world.until(lambda: world.status().get("candidate") is not None, within=10)
        world.traffic.behaviours[world.status()["candidate"]] = Behaviour(errors=0.2)
        await world.until(lambda: world.status().get("rejected") is not None, within=120)

        assert world.status()["stable"] == before
        assert all(content == {"threshold": "0.5"} for content in seen)

        put(world, "0.5")
        await world.until(lambda: world.condition("Ready").get("status") == "True", within=10)
        assert world.status()["stable"] == before, "the old content is the old revision again"


async def test_going_back_brings_the_old_content_back() -> None:
    async with World() as world:
        before = await live_with(world, "0.5")
        put(world, "0.6")
        await world.until(
            lambda: world.status().get("stable") != before and not world.status().get("candidate"), within=120
        )
        await world.run(30)

        world.ask(Verb.ROLLBACK)
        await world.until(lambda: world.status().get("stable") == before, within=60)

        assert read_by(world, before) == {"threshold": "0.5"}


async def test_a_copy_goes_with_the_last_revision_that_reads_it() -> None:
    async with World() as world:
        first = await live_with(world, "0.5")
        world.apply(configured("2"))
        await world.until(
            lambda: world.status().get("stable") != first and not world.status().get("candidate"), within=120
        )
        (shared,) = copies(world)
        assert len(shared["metadata"]["ownerReferences"]) == 2

        world.store.delete(MODEL_REVISIONS, namespace=NAMESPACE, name=f"{NAME}-{first}")
        await world.run(5)
        assert len(copies(world)) == 1

        world.store.delete(MODEL_DEPLOYMENTS, namespace=NAMESPACE, name=NAME)
        await world.run(5)
        assert copies(world) == []


async def test_a_config_map_that_is_taken_away_changes_nothing_and_is_said() -> None:
    async with World() as world:
        before = await live_with(world, "0.5")

        world.store.delete(CONFIG_MAPS, namespace=NAMESPACE, name="settings")
        await world.until(lambda: world.condition("Stalled").get("status") == "True", within=10)

        assert world.condition("Ready")["reason"] == "ConfigMissing"
        assert "there is no ConfigMap settings; apply it, or name another one" in world.condition("Ready")["message"]
        assert (world.status()["stable"], read_by(world, before)) == (before, {"threshold": "0.5"})

        put(world, "0.5")
        await world.until(lambda: world.condition("Ready").get("status") == "True", within=10)


async def test_a_config_map_that_is_taken_away_in_a_rollout_holds_neither_the_way_on_nor_the_way_back() -> None:
    async with World() as world:
        before = await live_with(world, "0.5")
        put(world, "0.6")
        await world.until(lambda: world.status().get("stage") == "Canary", within=30)
        world.traffic.behaviours[world.status()["candidate"]] = Behaviour(errors=0.2)

        world.store.delete(CONFIG_MAPS, namespace=NAMESPACE, name="settings")
        await world.until(lambda: world.status().get("rejected") is not None, within=120)

        assert world.status()["stable"] == before


async def test_a_first_version_waits_for_its_config_map() -> None:
    async with World() as world:
        world.apply(configured())
        await world.start()
        await world.until(lambda: world.condition("Stalled").get("status") == "True", within=10)
        assert world.store.look(DEPLOYMENTS) == []

        put(world, "0.5")

        await world.until(lambda: world.status().get("stage") == "Live", within=60)


async def edited(world: World, *, kill: Kill | None = None) -> tuple[dict[str, Any], int]:
    """A live version's ConfigMap is edited and the edit goes live; how things stand then, and writes on the way."""
    first = await live_with(world, "0.5")
    before = len(world.lines[-1].log)
    if kill is not None:
        world.meddle = kill
    put(world, "0.6")
    for _ in range(240):
        await world.run(0.5)
        if world.lines[-1].is_dead:
            await world.end(world.processes[-1])
            await world.start()
        if world.status()["stable"] != first and not world.status().get("candidate"):
            break
    await world.run(15)
    return world.picture(), sum(request.is_write for request in world.lines[-1].log[before:])


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_kill_at_any_write_leaves_the_same_copies(moment: Moment) -> None:
    async with World() as world:
        undisturbed, writes = await edited(world)
    wrong = []
    for number in range(1, writes + 1):
        async with World() as world:
            picture, _ = await edited(world, kill=Kill(world, number, moment))
            if (picture["copies"], picture["status"]) != (undisturbed["copies"], undisturbed["status"]):
                wrong.append(number)
    assert writes > 10
    assert not wrong, f"killed {moment} writes {wrong} of {writes}"
