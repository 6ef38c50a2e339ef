"""A tool that puts back what Git says every second, in virtual time: it costs nobody anything and changes nothing."""

import asyncio

import pytest

from modelrollout.adapters.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    SERVICES,
    JsonObject,
)
from modelrollout.api.config import Config
from modelrollout.api.group import LABEL_MANAGED_BY, LABEL_NAME, LABEL_REVISION
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from tests.builders import NAMESPACE
from tests.e2e.gitops import TRACKING
from tests.faults.controllers import cancelled
from tests.faults.direct import Request
from tests.faults.scenarios import BACK, BAD_BY_RATIO, BAD_ONE, GOOD, GOOD_BY_RATIO, Picture, Scenario, play
from tests.faults.store import Change
from tests.faults.world import World, brisk, manifest

SCENARIOS = (GOOD, BAD_ONE, GOOD_BY_RATIO, BAD_BY_RATIO, BACK)


def tracked(spec: ModelDeploymentSpec) -> JsonObject:
    body = manifest(spec)
    return {**body, "metadata": {**body["metadata"], **TRACKING}}


async def played(scenario: Scenario, *, healing: bool) -> tuple[Picture, list[Request], list[Change]]:
    """How it ended, what the operator asked of the API server for it, and what became of the ModelDeployment."""
    seen: list[Change] = []
    async with World() as world:

        async def heal() -> None:
            while True:
                world.store.apply(MODEL_DEPLOYMENTS, tracked(scenario.new), manager="argocd-controller")
                await world.clock.sleep(1.0)

        await scenario.begin(world)
        if healing:
            world.store.apply(MODEL_DEPLOYMENTS, tracked(scenario.new), manager="argocd-controller")
        else:
            world.apply(scenario.new)
        seen_from = len(world.lines[-1].log)
        world.store.listeners.append(
            lambda change: seen.append(change) if change.resource is MODEL_DEPLOYMENTS else None
        )
        loop = asyncio.create_task(heal()) if healing else None
        await play(scenario, world)
        if loop is not None:
            await cancelled(loop)
        return world.picture(), world.lines[-1].log[seen_from:], seen


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_a_rollout_ends_as_without_it_and_costs_no_request_more(scenario: Scenario) -> None:
    alone, requests_alone, _ = await played(scenario, healing=False)
    together, requests, changes = await played(scenario, healing=True)
    assert together == alone
    assert len(requests) == len(requests_alone)
    assert len({change.body["metadata"]["generation"] for change in changes}) == 1


async def test_children_carry_no_mark_of_the_tool_and_are_owned() -> None:
    """Argo CD and Flux prune what carries their mark and is not in Git, and show what is owned below its owner."""
    spec = brisk("1").model_copy(update={"config": Config(config_map_refs=("fraud-settings",))})
    async with World() as world:
        metadata = {"name": "fraud-settings", "namespace": NAMESPACE, **TRACKING}
        source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"threshold": "0.8"}}
        world.store.apply(CONFIG_MAPS, source, manager="argocd-controller")
        world.store.apply(MODEL_DEPLOYMENTS, tracked(spec), manager="argocd-controller")
        await world.start()
        await world.until(lambda: world.status().get("stage") == "Live", within=60)
        children = [
            body
            for resource in (DEPLOYMENTS, SERVICES, HTTP_ROUTES, MODEL_REVISIONS, CONFIG_MAPS)
            for body in world.store.all(resource)
            if body["metadata"]["name"] != "fraud-settings"
        ]
        assert {child["kind"] for child in children} == {
            "Deployment",
            "Service",
            "HTTPRoute",
            "ModelRevision",
            "ConfigMap",
        }
        for child in children:
            labels = child["metadata"].get("labels", {}).keys()
            assert labels <= {LABEL_NAME, LABEL_REVISION, LABEL_MANAGED_BY}
            assert not child["metadata"].get("annotations")
            assert child["metadata"]["ownerReferences"]
