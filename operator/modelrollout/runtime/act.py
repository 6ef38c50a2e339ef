"""Act: do what a plan asks for, in its order, and stop at the first failure.

Each answer of the API server goes into the cache at once, so that the next plan does not ask for the same again while
the watch is still on its way.

What the observer needs is done last, and no plan fails for it: a rollback must not wait for somebody to grant a right
to network policies. What failed is tried again by a later plan.
"""

import logging
from typing import Any

from modelrollout.adapters.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_REVISIONS,
    NETWORK_POLICIES,
    ROLLOUT_ACTIONS,
    SERVICES,
    ApiError,
    KubernetesApi,
    Resource,
)
from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.observer import service_name
from modelrollout.api.revision import child_name
from modelrollout.children import (
    Owner,
    Reader,
    config_manifest,
    entry_manifest,
    observer_belongings,
    observer_workload,
    revision_manifest,
    route_manifest,
    service_manifest,
    workload_manifest,
)
from modelrollout.plan.actions import (
    Action,
    ApplyConfig,
    ApplyEntry,
    ApplyObserver,
    ApplyRoute,
    ApplyService,
    ApplyWorkload,
    CreateRevision,
    RemoveObserver,
    RemoveRequest,
    RemoveRevision,
    RemoveRoute,
    RemoveWorkload,
)
from modelrollout.plan.observation import Observation
from modelrollout.plan.snapshot import snapshot_of
from modelrollout.runtime.cache import Cache

log = logging.getLogger(__name__)

_OF_OBSERVER = {resource.kind: resource for resource in (NETWORK_POLICIES, CONFIG_MAPS, SERVICES)}


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
                manifest = revision_manifest(owner, observation.spec, observation.wanted)
                return await self._apply(MODEL_REVISIONS, manifest)
            case ApplyConfig(copy=copy):
                source = observation.wanted.sources[copy]
                manifest = config_manifest(owner, copy, source, readers=self._readers(owner, copy))
                return await self._apply(CONFIG_MAPS, manifest)
            case ApplyService(revision=revision):
                return await self._apply(SERVICES, service_manifest(owner, _snapshot(observation, revision)))
            case ApplyWorkload(revision=revision, replicas=replicas):
                snapshot = _snapshot(observation, revision)
                return await self._apply(DEPLOYMENTS, workload_manifest(owner, snapshot, replicas=replicas))
            case RemoveWorkload(revision=revision):
                return await self._remove_workload(owner, revision)
            case RemoveRevision(revision=revision):
                name = child_name(owner.name, revision)
                await self._api.delete(MODEL_REVISIONS, namespace=owner.namespace, name=name)
                return False
            case RemoveRequest(name=name):
                await self._api.delete(ROLLOUT_ACTIONS, namespace=owner.namespace, name=name)
                return False
            case ApplyObserver() | RemoveObserver():
                return await self._observe(action, owner)

    async def _remove_workload(self, owner: Owner, revision: str) -> bool:
        name = child_name(owner.name, revision)
        for resource in (DEPLOYMENTS, SERVICES):
            await self._api.delete(resource, namespace=owner.namespace, name=name)
            # A way back that is asked for right now must not count on pods that are on their way out.
            self._cache.gone(resource, namespace=owner.namespace, name=name)
        return False

    async def _observe(self, action: ApplyObserver | RemoveObserver, owner: Owner) -> bool:
        try:
            if isinstance(action, ApplyObserver):
                return await self._apply_observer(owner, action)
            return await self._remove_observer(owner)
        except ApiError as error:
            log.warning("the observer of %s/%s is not as it should be: %s", owner.namespace, owner.name, error.message)
            return False

    async def _apply_observer(self, owner: Owner, wanted: ApplyObserver) -> bool:
        workload = await self._api.apply(DEPLOYMENTS, observer_workload(owner, wanted))
        changed = self._cache.put(DEPLOYMENTS, workload) is not None
        for manifest in observer_belongings(owner, wanted, uid=workload["metadata"]["uid"]):
            resource = _OF_OBSERVER[manifest["kind"]]
            body = await self._api.apply(resource, manifest)
            if resource is not NETWORK_POLICIES:  # nobody watches them
                changed |= self._cache.put(resource, body) is not None
        return changed

    async def _remove_observer(self, owner: Owner) -> bool:
        """Its settings and its network policy belong to its Deployment, and go with it."""
        for resource in (SERVICES, DEPLOYMENTS):
            await self._api.delete(resource, namespace=owner.namespace, name=service_name(owner.name))
        return False

    def _readers(self, owner: Owner, copy: str) -> list[Reader]:
        """The revisions that read this copy, one that was made a moment ago among them."""
        revisions = self._cache.family((owner.namespace, owner.name)).revisions.values()
        return [
            Reader(name=revision.name, uid=revision.uid)
            for revision in revisions
            if any(one.copy_name == copy for one in revision.read()[0].config.config_maps)
        ]

    async def _apply(self, resource: Resource, manifest: dict[str, Any]) -> bool:
        """False where the object was like that already, so that a wish the API server words differently cannot spin."""
        return self._cache.put(resource, await self._api.apply(resource, manifest)) is not None


def _snapshot(observation: Observation, revision: str) -> ModelRevisionSpec:
    found = snapshot_of(observation, revision)
    if found is None:
        raise LookupError(f"Nothing is known of revision {revision}: plans ask for what they know.")
    return found
