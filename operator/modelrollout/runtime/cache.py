"""What the watches have told, trimmed, by parent. Handlers write it, reconciles read it, and nothing is fetched.

Everything happens on one event loop, so there are no locks. An event that is older than what is known is dropped: the
answer to our own write is put in at once, and the watch brings the state before it a moment later.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from modelrollout.adapters.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    PODS,
    ROLLOUT_ACTIONS,
    SERVICES,
    Resource,
)
from modelrollout.api.gates import TemplateRef
from modelrollout.plan.observation import ActionView, PodView, RouteView, ServiceView, WorkloadView
from modelrollout.runtime import projections
from modelrollout.runtime.configs import Configs, config_maps_named
from modelrollout.runtime.kept import Revision
from modelrollout.runtime.projections import Deployment
from modelrollout.runtime.queue import Key
from modelrollout.runtime.templates import Templates

WATCHED: tuple[Resource, ...] = (
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    ROLLOUT_ACTIONS,
    DEPLOYMENTS,
    SERVICES,
    PODS,
    HTTP_ROUTES,
    CONFIG_MAPS,
)
"""Of ConfigMaps, the copies that revisions read; those of users are in `configs`, where somebody names them."""

UNLABELLED = (MODEL_DEPLOYMENTS, ROLLOUT_ACTIONS)
"""Kinds that people make: they do not carry the operator's labels."""


class Known(NamedTuple):
    """An object that was heard of: which one, how old, and whose."""

    uid: str
    version: int
    key: Key


@dataclass(slots=True)
class Family:
    """A ModelDeployment and its children. Workloads and services are keyed by object name."""

    deployment: Deployment | None = None
    revisions: dict[str, Revision] = field(default_factory=dict)
    workloads: dict[str, WorkloadView] = field(default_factory=dict)
    services: dict[str, ServiceView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    routes: dict[str, RouteView | None] = field(default_factory=dict)
    copies: dict[str, frozenset[str]] = field(default_factory=dict)
    actions: dict[str, ActionView] = field(default_factory=dict)

    def __bool__(self) -> bool:
        children = (self.revisions, self.workloads, self.services, self.pods, self.routes, self.copies, self.actions)
        return self.deployment is not None or any(children)

    @property
    def rolling(self) -> bool:
        """Whether there is a candidate, so that everything is looked at again and again."""
        return self.deployment is not None and self.deployment.status.candidate is not None


class Cache:
    def __init__(self) -> None:
        self._families: dict[Key, Family] = {}
        self._known: dict[tuple[str, str, str], Known] = {}
        self.templates = Templates()
        self.configs = Configs()

    def family(self, key: Key) -> Family:
        return self._families.get(key) or Family()

    def deployments(self) -> list[Key]:
        return [key for key, family in self._families.items() if family.deployment is not None]

    def naming(self, namespace: str, ref: TemplateRef) -> list[Key]:
        """The ModelDeployments with a gate from this template; an empty namespace means all of them."""
        return [
            key
            for key, family in self._families.items()
            if (not namespace or key[0] == namespace)
            and family.deployment is not None
            and family.deployment.spec is not None
            and any(gate.template == ref for gate in family.deployment.spec.rollout.gates)
        ]

    def configured_by(self, namespace: str, config_map: str) -> list[Key]:
        """The ModelDeployments that name this ConfigMap, as configuration or as a document."""
        return [
            key
            for key, family in self._families.items()
            if key[0] == namespace
            and family.deployment is not None
            and family.deployment.spec is not None
            and config_map in config_maps_named(family.deployment.spec)
        ]

    def put(self, resource: Resource, body: Mapping[str, Any]) -> Key | None:
        """Take in an object as it is now. Gives the key to wake, or None where nothing changed for anybody."""
        key = _key(resource, body)
        if key is None or not self._is_news(resource, body, key):
            return None
        family = self._families.setdefault(key, Family())
        name = body["metadata"]["name"]
        match resource:
            case _ if resource is MODEL_DEPLOYMENTS:
                leaving = body["metadata"].get("deletionTimestamp") is not None
                was_rolling = family.rolling
                family.deployment = None if leaving else projections.deployment(body)
                if family.rolling is not was_rolling:
                    _keep(family.revisions.values(), at_hand=family.rolling)
            case _ if resource is MODEL_REVISIONS:
                revision = projections.revision(body)
                if revision is not None:
                    family.revisions[name] = revision
                    _keep((revision,), at_hand=family.rolling)
            case _ if resource is DEPLOYMENTS:
                return key if _replace(family.workloads, name, projections.workload(body)) else None
            case _ if resource is SERVICES:
                return key if _replace(family.services, name, projections.service(body)) else None
            case _ if resource is PODS:
                return key if _replace(family.pods, name, projections.pod(body)) else None
            case _ if resource is HTTP_ROUTES:
                return key if _replace(family.routes, name, projections.route(body)) else None
            case _ if resource is CONFIG_MAPS:
                return key if _replace(family.copies, name, projections.owners(body)) else None
            case _ if resource is ROLLOUT_ACTIONS:
                action = projections.action(body)
                return key if action is not None and _replace(family.actions, name, action) else None
        return key

    def remove(self, resource: Resource, body: Mapping[str, Any]) -> Key | None:
        key, metadata = _key(resource, body), body["metadata"]
        if key is None:
            return None
        known = self._known.get((resource.plural, metadata["namespace"], metadata["name"]))
        if known is not None and known.uid != metadata.get("uid"):
            return None  # a new object of the same name is already here
        return self._drop(resource, metadata["namespace"], metadata["name"], key)

    def names(self, resource: Resource) -> dict[tuple[str, str], str]:
        """Namespace and name of all objects of a kind, each with its uid."""
        return {(place[1], place[2]): known.uid for place, known in self._known.items() if place[0] == resource.plural}

    def forget(self, resource: Resource, *, namespace: str, name: str, uid: str) -> Key | None:
        """As `remove`, for an object whose end nobody told us of."""
        known = self._known.get((resource.plural, namespace, name))
        if known is None or known.uid != uid:
            return None
        return self._drop(resource, namespace, name, known.key)

    def gone(self, resource: Resource, *, namespace: str, name: str) -> None:
        """We deleted it ourselves. What the watch still tells of this very object is from before, and no news."""
        place = (resource.plural, namespace, name)
        known = self._known.get(place)
        if known is None:
            return
        self._known[place] = known._replace(version=sys.maxsize)
        family = self._families.get(known.key)
        if family is not None:
            _children(family, resource).pop(name, None)

    def _drop(self, resource: Resource, namespace: str, name: str, key: Key) -> Key | None:
        self._known.pop((resource.plural, namespace, name), None)
        family = self._families.get(key)
        if family is None:
            return None
        if resource is MODEL_DEPLOYMENTS:
            family.deployment = None
            _keep(family.revisions.values(), at_hand=False)
        else:
            _children(family, resource).pop(name, None)
        if not family:
            del self._families[key]
        return key

    def _is_news(self, resource: Resource, body: Mapping[str, Any], key: Key) -> bool:
        metadata = body["metadata"]
        place = (resource.plural, metadata["namespace"], metadata["name"])
        uid, version = metadata.get("uid", ""), int(metadata.get("resourceVersion") or 0)
        known = self._known.get(place)
        if known is not None and known.uid == uid and known.version >= version:
            return False
        self._known[place] = Known(uid, version, key)
        return True


def _key(resource: Resource, body: Mapping[str, Any]) -> Key | None:
    if resource is MODEL_DEPLOYMENTS:
        return (body["metadata"]["namespace"], body["metadata"]["name"])
    if resource is ROLLOUT_ACTIONS:
        return (body["metadata"]["namespace"], body["spec"]["deployment"])
    return projections.parent(body)


def _children(family: Family, resource: Resource) -> dict[str, Any]:
    children: dict[Resource, dict[str, Any]] = {
        MODEL_REVISIONS: family.revisions,
        DEPLOYMENTS: family.workloads,
        SERVICES: family.services,
        PODS: family.pods,
        HTTP_ROUTES: family.routes,
        CONFIG_MAPS: family.copies,
        ROLLOUT_ACTIONS: family.actions,
    }
    return children[resource]


def _keep(revisions: Iterable[Revision], *, at_hand: bool) -> None:
    for revision in revisions:
        if at_hand:
            revision.unpack()
        else:
            revision.pack()


def _replace(views: dict[str, Any], name: str, view: object) -> bool:
    changed = name not in views or views[name] != view
    views[name] = view
    return changed
