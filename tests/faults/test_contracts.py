"""Contracts in whole rollouts: what breaks gets no request, and nobody who has answered is asked again."""

from typing import Any

from modelrollout.adapters.kubernetes import DEPLOYMENTS, HTTP_ROUTES
from modelrollout.adapters.modelserver import NoAnswer
from modelrollout.api.contract import ContractSource, Verify
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.revision import child_name
from tests.builders import NAME, NAMESPACE, id_of
from tests.faults.world import World, brisk

OLD: dict[str, Any] = {"inputs": [{"name": "amount", "type": "float"}]}
NEW: dict[str, Any] = {"inputs": [*OLD["inputs"], {"name": "age", "type": "int"}]}
SERVED: dict[str, Any] = {"inputs": [{"name": "amount", "datatype": "FP64", "shape": [-1]}], "outputs": []}


def of(version: str, contract: dict[str, Any], **verify: Any) -> ModelDeploymentSpec:
    source = ContractSource(inline=contract, verify=Verify(**verify))
    return brisk(version).model_copy(update={"contract": source})


async def live(world: World) -> None:
    world.apply(of("1", OLD))
    await world.start()
    await world.until(lambda: world.status().get("stage") == "Live", within=60)


def backends(world: World) -> set[str]:
    route = world.store.get(HTTP_ROUTES, NAMESPACE, NAME)
    rule = route["spec"]["rules"][0]
    mirrors = [one["requestMirror"]["backendRef"]["name"] for one in rule.get("filters", [])]
    return {one["name"] for one in rule["backendRefs"] if one["weight"]} | set(mirrors)


async def test_a_candidate_that_breaks_the_contract_never_has_a_pod_or_a_request() -> None:
    async with World() as world:
        await live(world)
        broken = of("2", NEW)
        pods: list[int] = []

        world.store.listeners.append(
            lambda change: (
                pods.append(change.body["spec"]["replicas"])
                if change.resource is DEPLOYMENTS and change.body["metadata"]["name"] == child_name(NAME, id_of(broken))
                else None
            )
        )
        world.apply(broken)
        await world.until(lambda: world.status().get("rejected") == id_of(broken), within=20)

        assert set(pods) == {0}
        assert world.condition("RolledBack")["reason"] == "ContractBroken"
        assert world.revision(broken)["status"]["contract"]["outcome"] == "Broken"
        assert backends(world) == {child_name(NAME, id_of(of("1", OLD)))}


async def test_nobody_gets_a_request_before_the_pods_have_told_what_they_serve() -> None:
    async with World() as world:
        await live(world)
        world.server.metadata_of["fraud-classifier"] = NoAnswer("it loads its model")
        candidate = of("2", OLD, served=True)
        world.apply(candidate)
        await world.until(lambda: world.condition("Ready").get("reason") == "ContractUnverified", within=30)
        await world.run(30)
        assert backends(world) == {child_name(NAME, id_of(of("1", OLD)))}
        assert "it loads its model" in world.condition("Ready")["message"]

        world.server.metadata_of["fraud-classifier"] = SERVED
        await world.until(lambda: world.status().get("stableVersion") == "2", within=200)

        assert world.revision(candidate)["status"]["contract"]["verifiedAt"]


async def test_a_process_that_starts_again_asks_nobody_who_has_answered() -> None:
    async with World() as world:
        await live(world)
        world.server.metadata_of["fraud-classifier"] = SERVED
        candidate = of("2", OLD, served=True)
        world.apply(candidate)
        await world.until(
            lambda: (
                bool((world.revision(candidate)["status"].get("contract") or {}).get("verifiedAt"))
                if world.status().get("candidate")
                else False
            ),
            within=60,
        )
        asked = list(world.server.asked)

        for process in list(world.processes):
            await world.end(process)
        await world.start()
        await world.until(lambda: world.status().get("stableVersion") == "2", within=200)

        url = f"http://{child_name(NAME, id_of(candidate))}.{NAMESPACE}.svc:8080"
        assert world.server.asked == asked == [("metadata", url)]


async def test_pods_that_serve_something_else_are_taken_back_before_any_request() -> None:
    async with World() as world:
        await live(world)
        world.server.metadata_of["fraud-classifier"] = {
            **SERVED,
            "inputs": [{**SERVED["inputs"][0], "datatype": "BYTES"}],
        }
        wrong = of("2", OLD, served=True)
        world.apply(wrong)
        await world.until(lambda: world.status().get("rejected") == id_of(wrong), within=60)

        assert world.condition("RolledBack")["reason"] == "ContractNotServed"
        await world.run(30)
        asked = len(world.server.asked)
        await world.run(60)
        assert len(world.server.asked) == asked
