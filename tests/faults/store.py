"""What an API server keeps, in memory, with the rules that the operator's safety rests on.

kmock was tried first: it serves discovery, objects and watches, but knows no server-side apply, no resourceVersion that
a write could collide with and no paging, which are what faults are about. So these few rules are written out here:

* every write that changes something gets the next resourceVersion, one that changes nothing keeps the old one;
* server-side apply merges, and takes away what the same manager applied before and leaves out now;
* a status is another subresource: it is written only by `patch_status`, guarded by resourceVersion, and a write of the
  object leaves it alone; `generation` counts changes of the spec;
* defaults are filled in where an answer of the real server differs from what was sent (routes and services);
* an object of our kinds that breaks its own rules is refused, its status too;
* each change is kept for watches until it is compacted away.

Refusals are the adapter's own errors, with the status code of the real server. Nothing here waits: one call is one
transaction.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import (
    CLUSTER_GATE_TEMPLATES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    GATE_TEMPLATES,
    HTTP_ROUTES,
    LEASES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    NETWORK_POLICIES,
    PODS,
    ROLLOUT_ACTIONS,
    SECRETS,
    SERVICES,
    Conflict,
    Invalid,
    JsonObject,
    NotFound,
    Resource,
)
from modelrollout.api.modeldeployment import ModelDeployment
from modelrollout.api.modelrevision import ModelRevision
from modelrollout.api.rolloutaction import RolloutAction

TEMPLATES = (GATE_TEMPLATES, CLUSTER_GATE_TEMPLATES)
RESOURCES = (
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    ROLLOUT_ACTIONS,
    DEPLOYMENTS,
    SERVICES,
    CONFIG_MAPS,
    SECRETS,
    PODS,
    HTTP_ROUTES,
    NETWORK_POLICIES,
    LEASES,
    EVENTS,
    *TEMPLATES,
)
WITH_STATUS = (MODEL_DEPLOYMENTS, MODEL_REVISIONS, ROLLOUT_ACTIONS, DEPLOYMENTS, PODS, HTTP_ROUTES)

T = TypeVar("T")

Id = tuple[Resource, str, str]
"""Resource, namespace, name."""


@dataclass(frozen=True, slots=True)
class Change:
    """A watch event: `type` is ADDED, MODIFIED or DELETED; `body` is the object after it (before it, if deleted)."""

    version: int
    type: str
    resource: Resource
    body: JsonObject


class Store:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[Resource, dict[tuple[str, str], JsonObject]] = {resource: {} for resource in RESOURCES}
        self._applied: dict[tuple[Id, str], JsonObject] = {}
        self._uids = itertools.count(1)
        self.checks = True
        """Whether objects have to keep the rules of their kind: not so before an upgrade of the operator, say."""
        self.version = 0
        self.oldest = 0
        self.changes: list[Change] = []
        self.listeners: list[Callable[[Change], None]] = []

    # Reading

    def find(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        body = self._objects[resource].get((namespace, name))
        return copied(body) if body is not None else None

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        body = self.find(resource, namespace, name)
        if body is None:
            raise NotFound(404, "NotFound", f"{resource.plural} {name!r} not found")
        return body

    def all(self, resource: Resource, namespace: str | None = None, label_selector: str = "") -> list[JsonObject]:
        """In the order of their names, as the real server's keys are."""
        found = [copied(body) for body in self.look(resource, namespace, label_selector)]
        return sorted(found, key=lambda body: (body["metadata"]["namespace"], body["metadata"]["name"]))

    def look(self, resource: Resource, namespace: str | None = None, label_selector: str = "") -> list[JsonObject]:
        """The objects themselves, for those who only look."""
        found = self._objects[resource].items()
        return [body for (where, _), body in found if namespace in (None, where) and matches(body, label_selector)]

    def since(self, version: int, resource: Resource) -> Iterator[Change]:
        """Changes after `version`; LookupError where some of them were compacted away."""
        if version < self.oldest:
            raise LookupError(f"too old resource version: {version} ({self.oldest})")
        return (change for change in self.changes if change.version > version and change.resource is resource)

    # Writing

    def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        id = _id(resource, body)
        if id[1:] in self._objects[resource]:
            raise Conflict(409, "AlreadyExists", f"{resource.plural} {id[2]!r} already exists")
        return self._store(id, _without_status(resource, body))

    def replace(self, resource: Resource, body: JsonObject) -> JsonObject:
        id = _id(resource, body)
        known = self.get(*id)
        _guard(known, body["metadata"].get("resourceVersion"))
        return self._store(id, {**_without_status(resource, body), **_status_of(known)})

    def apply(self, resource: Resource, body: JsonObject, *, manager: str) -> JsonObject:
        id = _id(resource, body)
        wish = _without_status(resource, body)
        known = self._objects[resource].get(id[1:])
        before = self._applied.get((id, manager), {})
        result = self._store(id, _merged(_given_up(known, before, wish), wish) if known is not None else wish)
        self._applied[id, manager] = wish
        return result

    def patch_status(
        self, resource: Resource, *, namespace: str, name: str, status: JsonObject, resource_version: str | None = None
    ) -> JsonObject:
        known = self.get(resource, namespace, name)
        _guard(known, resource_version)
        patched = _merge_patched(known.get("status") or {}, status)
        return self._store((resource, namespace, name), {**known, "status": patched})

    def delete(self, resource: Resource, *, namespace: str, name: str) -> None:
        body = self.get(resource, namespace, name)
        id = (resource, namespace, name)
        del self._objects[resource][namespace, name]
        self._applied = {key: value for key, value in self._applied.items() if key[0] != id}
        self._publish("DELETED", resource, body)

    def compact(self) -> None:
        """Forget what happened: whoever watches from an older version is told that it is gone."""
        self.changes.clear()
        self.oldest = self.version

    def _store(self, id: Id, body: JsonObject) -> JsonObject:
        resource, place = id[0], id[1:]
        known = self._objects[resource].get(place)
        body = _defaulted(resource, copied(body))
        metadata = body["metadata"]
        if known is None:
            metadata |= {"uid": f"00000000-0000-0000-0000-{next(self._uids):012d}", "generation": 1}
            metadata["creationTimestamp"] = self._clock.now().isoformat(timespec="seconds")
        else:
            spec_changed = known.get("spec") != body.get("spec")
            metadata |= {field: known["metadata"][field] for field in ("uid", "creationTimestamp", "resourceVersion")}
            metadata["generation"] = known["metadata"]["generation"] + spec_changed
            if body == known:
                return copied(known)
        if self.checks:
            _validate(resource, body)
        self._objects[resource][place] = body
        self._publish("MODIFIED" if known is not None else "ADDED", resource, body)
        return copied(body)

    def _publish(self, type: str, resource: Resource, body: JsonObject) -> None:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        change = Change(self.version, type, resource, copied(body))
        self.changes.append(change)
        for listener in list(self.listeners):
            listener(change)


def copied(value: T) -> T:
    """A deep copy of plain JSON, in a fraction of the time that `copy.deepcopy` takes."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [copied(item) for item in value]  # type: ignore[return-value]
    return value


def matches(body: JsonObject, label_selector: str) -> bool:
    """Equality and existence, which is all that the operator asks for."""
    labels = body["metadata"].get("labels") or {}
    for term in filter(None, label_selector.split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def _id(resource: Resource, body: JsonObject) -> Id:
    return (resource, body["metadata"]["namespace"], body["metadata"]["name"])


def _guard(known: JsonObject, resource_version: str | None) -> None:
    if resource_version is not None and resource_version != known["metadata"]["resourceVersion"]:
        raise Conflict(409, "Conflict", "the object has been modified; please apply your changes to the latest version")


def _status_of(body: JsonObject) -> JsonObject:
    return {"status": body["status"]} if "status" in body else {}


def _without_status(resource: Resource, body: JsonObject) -> JsonObject:
    return {key: copied(value) for key, value in body.items() if key != "status" or resource not in WITH_STATUS}


def _merged(base: JsonObject, wish: JsonObject) -> JsonObject:
    """Objects field by field, all else as a whole."""
    merged = dict(base)
    for key, value in wish.items():
        ours = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if ours else copied(value)
    return merged


def _given_up(base: JsonObject, before: JsonObject, wish: JsonObject) -> JsonObject:
    """`base` without the fields that its manager applied before and leaves out now."""
    kept = dict(base)
    for key, value in before.items():
        if key not in wish:
            kept.pop(key, None)
        elif isinstance(value, dict) and isinstance(wish[key], dict) and isinstance(kept.get(key), dict):
            kept[key] = _given_up(kept[key], value, wish[key])
    return kept


def _merge_patched(base: JsonObject, patch: JsonObject) -> JsonObject:
    """RFC 7386: a null takes its field away."""
    patched = dict(base)
    for key, value in patch.items():
        if value is None:
            patched.pop(key, None)
        elif isinstance(value, dict):
            former = patched.get(key)
            patched[key] = _merge_patched(former if isinstance(former, dict) else {}, value)
        else:
            patched[key] = copied(value)
    return patched


def _defaulted(resource: Resource, body: JsonObject) -> JsonObject:
    if resource is HTTP_ROUTES:
        for parent in body["spec"].get("parentRefs", []):
            parent.setdefault("group", "gateway.networking.k8s.io")
            parent.setdefault("kind", "Gateway")
        for rule in body["spec"].get("rules", []):
            rule.setdefault("matches", [{"path": {"type": "PathPrefix", "value": "/"}}])
            mirrors = [f["requestMirror"]["backendRef"] for f in rule.get("filters", []) if "requestMirror" in f]
            for backend in [*rule.get("backendRefs", []), *mirrors]:
                backend.setdefault("group", "")
                backend.setdefault("kind", "Service")
            for backend in rule.get("backendRefs", []):
                backend.setdefault("weight", 1)
    if resource is SERVICES:
        body["spec"].setdefault("type", "ClusterIP")
        body["spec"].setdefault("sessionAffinity", "None")
    return body


def _validate(resource: Resource, body: JsonObject) -> None:
    kinds = {MODEL_DEPLOYMENTS: ModelDeployment, MODEL_REVISIONS: ModelRevision, ROLLOUT_ACTIONS: RolloutAction}
    kind = kinds.get(resource)
    if kind is None:
        return
    try:
        kind.read(body)
    except ValueError as error:
        raise Invalid(422, "Invalid", f"{resource.kind} {body['metadata']['name']!r} is invalid: {error}") from error
