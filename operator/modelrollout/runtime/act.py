"""Act: do what a plan asks for, in its order, and stop at the first failure.

Each answer of the API server goes into the cache at once, so that the next plan does not ask for the same again while
the watch is still on its way.
"""

from typing import Any

from modelrollout.adapters.kubernetes import (
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_REVISIONS,
    SERVICES,
    KubernetesApi,
    Resource,
)
from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.revision import child_name
from modelrollout.children import (
    Owner,
    entry_manifest,
    revision_manifest,
    route_manifest,
    service_manifest,
    workload_manifest,
)
from modelrollout.plan.actions import (
    Action,
    ApplyEntry,
    ApplyRoute,
    ApplyService,
    ApplyWorkload,
    CreateRevision,
    RemoveRoute,
    RemoveWorkload,
)
from modelrollout.plan.observation import Observation
from modelrollout.runtime.cache import Cache


class Actor:
    """Does actions and tells whether anything came of it. Every `ApiError` goes to the caller, who tries again."""

    def __init__(self, *, api: KubernetesApi, cache: Cache) -> None:
        self._api = api
        self._cache = cache

    async def act(self, action: Action, *, owner: Owner, observation: Observation) -> bool:
        match action:
            case ApplyRoute(route=route):
                return await self._apply(HTTP_ROUTES, route_manifest(owner, route))
            case RemoveRoute():
                await self._api.delete(HTTP_ROUTES, namespace=owner.namespace, name=owner.name)
                return False  # the watch tells when it is gone
            case ApplyEntry(selector=selector, port=port):
                return await self._apply(SERVICES, entry_manifest(owner, selector=selector, port=port))
            case CreateRevision():
                return await self._apply(MODEL_REVISIONS, revision_manifest(owner, observation.spec))
            case ApplyService(revision=revision):
                return await self._apply(SERVICES, service_manifest(owner, _snapshot(owner, observation, revision)))
            case ApplyWorkload(revision=revision, replicas=replicas):
                snapshot = _snapshot(owner, observation, revision)
                return await self._apply(DEPLOYMENTS, workload_manifest(owner, snapshot, replicas=replicas))
            case RemoveWorkload(revision=revision):
                name = child_name(owner.name, revision)
                await self._api.delete(DEPLOYMENTS, namespace=owner.namespace, name=name)
                await self._api.delete(SERVICES, namespace=owner.namespace, name=name)
                return False

    async def _apply(self, resource: Resource, manifest: dict[str, Any]) -> bool:
        """False where the object was like that already, so that a wish the API server words differently cannot spin."""
        return self._cache.put(resource, await self._api.apply(resource, manifest)) is not None


def _snapshot(owner: Owner, observation: Observation, revision: str) -> ModelRevisionSpec:
    """The revision's content; that of the target is the spec's own, whether its ModelRevision was seen yet or not."""
    view = observation.revision(revision)
    if view is not None:
        return view.spec
    return ModelRevisionSpec.model_validate(revision_manifest(owner, observation.spec)["spec"])
