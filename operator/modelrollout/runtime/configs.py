"""ConfigMaps and Secrets of users that somebody names as configuration.

Every ConfigMap of the watched namespaces passes by in the watch; kept are those that a ModelDeployment names, fetched
once when it is first seen to name them and told by the watch from then on. Secrets are neither watched nor listed:
where a Role lets the operator get one, it is looked at once a minute, and what is kept is a salted hash, made slow so
that a short secret cannot be guessed from it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import CONFIG_MAPS, SECRETS, ApiError, Forbidden, KubernetesApi
from modelrollout.api.config import SecretMark
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.plan.observation import ConfigMapView
from modelrollout.runtime import projections

SECRET_PERIOD_SECONDS = 60.0

Place = tuple[str, str]
"""Namespace and name."""


def config_maps_named(spec: ModelDeploymentSpec) -> frozenset[str]:
    """As configuration, or as a document."""
    documents = (spec.contract, spec.reference, spec.card)
    refs = [one.config_map_ref.name for one in documents if one is not None and one.config_map_ref is not None]
    return frozenset((*spec.config.config_map_refs, *refs))


@dataclass(slots=True)
class _Known:
    version: int
    view: ConfigMapView | None


class Configs:
    """ConfigMaps that are named by somebody. One that is not there is known as None."""

    def __init__(self) -> None:
        self._known: dict[Place, _Known] = {}

    def put(self, body: Mapping[str, Any]) -> bool:
        """Whether it is named by somebody, and news."""
        metadata = body["metadata"]
        return self._take((metadata["namespace"], metadata["name"]), _version(body), projections.config_map(body))

    def remove(self, body: Mapping[str, Any]) -> bool:
        metadata = body["metadata"]
        return self._take((metadata["namespace"], metadata["name"]), _version(body), None)

    def _take(self, place: Place, version: int, view: ConfigMapView | None) -> bool:
        known = self._known.get(place)
        if known is None or version < known.version:
            return False
        changed = known.view != view
        self._known[place] = _Known(version, view)
        return changed

    async def get(self, api: KubernetesApi, namespace: str, name: str) -> ConfigMapView | None:
        """As it is now; ApiError where it was never seen and cannot be fetched."""
        place = (namespace, name)
        if place not in self._known:
            self._known[place] = _Known(0, None)
            try:
                body = await api.get(CONFIG_MAPS, namespace=namespace, name=name)
            except ApiError:
                del self._known[place]
                raise
            if body is not None:
                self._take(place, _version(body), projections.config_map(body))
        return self._known[place].view


def _version(body: Mapping[str, Any]) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


@dataclass(frozen=True, slots=True)
class _Mark:
    read_at: float
    mark: SecretMark | None


class Secrets:
    """Secrets by their hash. One that is not there is None."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[Place, _Mark] = {}

    async def get(self, api: KubernetesApi, namespace: str, name: str) -> SecretMark | None:
        """As of at most a minute ago. Raises Forbidden at once, and another ApiError where nothing is known yet."""
        place, now = (namespace, name), self._clock.monotonic()
        known = self._known.get(place)
        if known is not None and now - known.read_at < SECRET_PERIOD_SECONDS:
            return known.mark
        try:
            body = await api.get(SECRETS, namespace=namespace, name=name)
        except Forbidden:
            raise
        except ApiError:
            if known is None:
                raise
            return known.mark
        mark = None if body is None else _marked(body, known.mark if known else None)
        self._known[place] = _Mark(now, mark)
        return mark


def _marked(body: Mapping[str, Any], before: SecretMark | None) -> SecretMark:
    metadata = body["metadata"]
    version = metadata["resourceVersion"]
    if before is not None and before.resource_version == version:
        return before
    content = json.dumps([body.get("type"), body.get("data") or {}], sort_keys=True).encode()
    salt = f"modelrollout/{metadata['namespace']}/{metadata['name']}".encode()
    hash_ = hashlib.scrypt(content, salt=salt, n=2**14, r=8, p=1, dklen=32).hex()
    if before is not None and before.hash == hash_:
        return before  # labels changed, or somebody wrote the same again: it is the same revision
    return SecretMark(name=metadata["name"], resource_version=version, hash=hash_)
