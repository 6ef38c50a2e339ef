"""The observer in whole rollouts: what a candidate that answers differently comes to, and an observer that is away."""

import pytest

from modelrollout.adapters.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    Forbidden,
)
from modelrollout.api.gates import OnDisagreement
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.observe import Monitoring
from modelrollout.api.observer import service_name
from modelrollout.api.rolloutaction import Verb
from tests import builders
from tests.builders import NAME, NAMESPACE, OBSERVE, id_of
from tests.faults.direct import Moment, Request
from tests.faults.scenarios import GATES
from tests.faults.traffic import Behaviour
from tests.faults.world import BAD, World, brisk

LIVE, NEW = brisk("1", gates=GATES), brisk("2", gates=GATES)
OTHERWISE = Behaviour(disagrees=0.3)
SERVICE = service_name(NAME)
KINDS = (DEPLOYMENTS, SERVICES, CONFIG_MAPS, NETWORK_POLICIES)


async def begun(world: World, new: ModelDeploymentSpec = NEW, behaviour: Behaviour | None = None) -> None:
    """Version 1 is live, and version 2 was applied."""
    if behaviour is not None:
        world.traffic.behaviours[id_of(new)] = behaviour
    world.apply(LIVE)
    await world.start()
    await world.until(lambda: world.is_live(LIVE), within=60)
    await world.run(5)
    world.apply(new)


def reason(world: World) -> str:
    return str(world.condition("Ready")["reason"])


def mirror(world: World) -> str | None:
    filters = world.store.get(HTTP_ROUTES, NAMESPACE, NAME)["spec"]["rules"][0].get("filters")
    return filters[0]["requestMirror"]["backendRef"]["name"] if filters else None


def there(world: World) -> list[str]:
    """What there is of the observer."""
    return [kind.plural for kind in KINDS if world.store.find(kind, NAMESPACE, SERVICE) is not None]


async def test_a_good_candidate_is_compared_in_shadow_and_canary_and_then_nothing_is_left() -> None:
    async with World() as world:
        await begun(world)
        mirrored: set[tuple[str, str | None]] = set()

        def ended() -> bool:
            mirrored.add((world.status()["stage"], mirror(world)))
            return world.is_live(NEW)

        await world.until(ended, within=200)
        assert ("Shadow", SERVICE) in mirrored
        assert ("Canary", SERVICE) in mirrored
        assert mirror(world) is None
        await world.run(30)
        assert there(world) == []
        gates = world.revision(NEW)["status"]["evidence"]["gates"]
        pairs = next(gate["state"]["pairs"] for gate in gates if gate["name"] == "agreement")
        assert pairs[0] > 500
        assert pairs[1] == 0


async def test_one_that_answers_differently_waits_in_shadow_until_a_person_accepts_it() -> None:
    async with World() as world:
        await begun(world, behaviour=OTHERWISE)
        await world.until(lambda: reason(world) == "Disagreement", within=100)
        await world.run(600)
        assert (world.status()["stage"], world.weight(NEW)) == ("Shadow", 0), "no user has seen an answer of it"
        assert world.condition("AwaitingReview")["status"] == "True"
        told = [d for d in world.revision(NEW)["status"]["decisions"] if d["reason"] == "Disagreement"]
        assert len(told) == 1
        digest = world.revision(NEW)["spec"]["digest"]
        world.ask(Verb.APPROVE, by="olga", candidateDigest=digest, expiresAt="2030-01-01T00:00:00Z")
        await world.until(lambda: world.is_live(NEW), within=200)


@pytest.mark.parametrize("verb", [Verb.REJECT, Verb.ROLLBACK])
async def test_a_person_takes_it_back(verb: Verb) -> None:
    async with World() as world:
        await begun(world, behaviour=OTHERWISE)
        await world.until(lambda: reason(world) == "Disagreement", within=100)
        world.ask(verb)
        await world.until(lambda: world.is_live(LIVE), within=60)
        assert world.status()["rejected"] == id_of(NEW)
        assert there(world) == []


async def test_where_the_policy_says_so_it_is_rolled_back_by_itself() -> None:
    strict = builders.AGREEMENT.model_copy(update={"on_disagreement": OnDisagreement.ROLLBACK})
    new = brisk("2", gates=(builders.ERRORS, strict))
    async with World() as world:
        await begun(world, new, OTHERWISE)
        await world.until(lambda: world.is_live(LIVE) and world.status().get("rejected") == id_of(new), within=200)
        decision = world.revision(new)["status"]["decisions"][-1]
        assert (decision["reason"], decision["gate"], decision["weight"]) == ("EvidenceOfHarm", "agreement", 0)


async def test_an_observer_that_never_starts_holds_its_own_gate_and_no_other() -> None:
    async with World() as world:
        world.controllers.trouble("", {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "restartCount": 0})
        await begun(world)
        await world.until(lambda: reason(world) == "NoData", within=100)
        await world.run(60)
        assert "the observer is not ready" in world.condition("Ready")["message"]
        assert mirror(world) != SERVICE
        errors = world.revision(NEW)["status"]["evidence"]["gates"][0]["state"]
        assert errors["candidate"][0] > 1000, "the candidate gets all copies"
        world.traffic.behaviours[id_of(NEW)] = BAD
        await world.until(lambda: world.status().get("rejected") == id_of(NEW), within=100)


async def test_an_observer_that_restarts_loses_at_most_its_baseline() -> None:
    async with World() as world:
        await begun(world, behaviour=OTHERWISE)
        await world.until(lambda: mirror(world) == SERVICE, within=60)
        await world.run(3)
        (pod,) = (one for one in world.store.look(PODS) if one["metadata"]["name"].startswith(SERVICE))
        lost = world.traffic.lost
        before = lost()
        world.store.delete(PODS, namespace=NAMESPACE, name=pod["metadata"]["name"])
        await world.clock.run(3)
        world.watchdog.forgiven += lost() - before  # copies that found nobody; no user waited for them
        await world.until(lambda: reason(world) == "Disagreement", within=100)


async def test_no_right_to_network_policies_keeps_nobody_from_going_back() -> None:
    async with World() as world:

        def refuse(request: Request, moment: Moment) -> None:
            if moment is Moment.BEFORE and request.resource is NETWORK_POLICIES:
                raise Forbidden(403, "Forbidden", "networkpolicies is forbidden")

        world.meddle = refuse
        await begun(world, behaviour=BAD)
        await world.until(lambda: world.is_live(LIVE) and world.status().get("rejected") == id_of(NEW), within=200)


async def test_after_the_promotion_inputs_are_monitored_where_that_is_wanted() -> None:
    monitored = OBSERVE.model_copy(update={"monitoring": Monitoring()})
    new = brisk("2", gates=GATES, observe=monitored)
    async with World() as world:
        await begun(world, new)
        await world.until(lambda: world.status().get("stable") == id_of(new), within=200)
        await world.run(30)
        assert there(world) == [kind.plural for kind in KINDS]
        assert mirror(world) == SERVICE
        world.apply(replace_observe(new))
        await world.run(30)
        assert there(world) == []
        assert mirror(world) is None


def replace_observe(spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
    return spec.model_copy(update={"observe": OBSERVE})
