"""Gate templates in whole rollouts: one that is missing holds, one that comes lets go, and an edit moves nothing."""

from modelrollout.adapters.kubernetes import GATE_TEMPLATES, MODEL_DEPLOYMENTS, MODEL_REVISIONS, JsonObject
from modelrollout.api.gates import Gate, TemplateRef
from modelrollout.api.group import API_VERSION
from modelrollout.api.revision import child_name
from tests.builders import NAME, NAMESPACE, id_of
from tests.faults.world import BAD, World, brisk

REF = TemplateRef(name="house-errors")
LIVE = brisk("1")
NEW = brisk("2")
NAMED = NEW.model_copy(
    update={"rollout": NEW.rollout.model_copy(update={"gates": (Gate(name="errors", template=REF),)})}
)


def template(*, points: float) -> JsonObject:
    return {
        "apiVersion": API_VERSION,
        "kind": "GateTemplate",
        "metadata": {"name": REF.name, "namespace": NAMESPACE},
        "spec": {"signal": "Errors", "tolerate": {"points": points}},
    }


def reason(world: World) -> str:
    return str(world.status()["conditions"][0]["reason"])


def frozen_points(world: World) -> float:
    """What the evidence of the candidate was begun with."""
    body = world.store.get(MODEL_REVISIONS, NAMESPACE, child_name(NAME, id_of(NEW)))
    (one,) = body["status"]["evidence"]["templates"]
    return float(one["spec"]["tolerate"]["points"])


async def begun(world: World) -> None:
    world.apply(LIVE)
    await world.start()
    await world.until(lambda: world.is_live(LIVE), within=60)
    await world.run(5)


async def test_a_missing_template_holds_and_the_rollout_goes_on_when_it_is_there() -> None:
    async with World() as world:
        await begun(world)
        world.apply(NAMED)
        await world.until(lambda: reason(world) == "GateTemplateMissing", within=30)
        await world.run(60)
        assert reason(world) == "GateTemplateMissing"
        assert world.weight(LIVE) == 100
        assert world.status().get("rejected") is None
        world.store.apply(GATE_TEMPLATES, template(points=0.2), manager="people")
        await world.until(lambda: world.is_live(NEW), within=120)


async def test_a_template_that_is_edited_or_deleted_moves_nothing_under_a_rollout_that_began() -> None:
    async with World() as world:
        await begun(world)
        world.store.apply(GATE_TEMPLATES, template(points=0.2), manager="people")
        world.apply(NAMED)
        await world.until(lambda: world.status().get("stage") == "Canary", within=60)
        before = frozen_points(world)
        world.store.apply(GATE_TEMPLATES, template(points=0.0), manager="people")
        await world.run(3)
        world.store.delete(GATE_TEMPLATES, namespace=NAMESPACE, name=REF.name)
        await world.until(lambda: world.is_live(NEW), within=120)
        assert (before, frozen_points(world)) == (0.2, 0.2)
        body = world.store.get(MODEL_REVISIONS, NAMESPACE, child_name(NAME, id_of(NEW)))
        assert "EvidenceRestarted" not in {record["reason"] for record in body["status"]["decisions"]}


async def test_harm_is_found_by_a_gate_from_a_template() -> None:
    async with World() as world:
        await begun(world)
        world.store.apply(GATE_TEMPLATES, template(points=0.2), manager="people")
        world.traffic.behaviours[id_of(NEW)] = BAD
        world.apply(NAMED)
        await world.until(lambda: world.status().get("rejected") == id_of(NEW), within=60)
        assert reason(world) == "EvidenceOfHarm"
        assert world.store.get(MODEL_DEPLOYMENTS, NAMESPACE, NAME)["spec"]["rollout"]["gates"][0]["template"]
