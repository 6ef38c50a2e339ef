"""The immutable copy of a ConfigMap, and pod templates that read the copy in the original's place.

A copy is named by its content, so that revisions with the same configuration share one. Every revision that reads it
owns it: garbage collection removes it with the last of them, and no pod ever finds it changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.api.group import API_VERSION, MODEL_REVISION
from modelrollout.children.owner import Owner
from modelrollout.plan.observation import ConfigMapView


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A ModelRevision that reads a copy."""

    name: str
    uid: str


def config_manifest(owner: Owner, copy: str, source: ConfigMapView, *, readers: Iterable[Reader]) -> dict[str, Any]:
    metadata = owner.metadata(copy)
    metadata["ownerReferences"] = [
        {"apiVersion": API_VERSION, "kind": MODEL_REVISION, "name": reader.name, "uid": reader.uid}
        for reader in sorted(readers, key=lambda reader: reader.name)
    ]
    manifest: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True}
    if source.data:
        manifest["data"] = dict(source.data)
    if source.binary_data:
        manifest["binaryData"] = dict(source.binary_data)
    return manifest


def reading_copies(template: Mapping[str, Any], copies: Mapping[str, str]) -> dict[str, Any]:
    """The template with each named ConfigMap's copy in its place: in volumes, projected volumes and environments."""
    changed: dict[str, Any] = _replaced(template, copies)
    return changed


def config_maps_of(template: Mapping[str, Any]) -> frozenset[str]:
    """Names of the ConfigMaps that a pod template reads."""
    return frozenset(_names(template))


# A pod's spec calls a ConfigMap by `name` below these keys, and nothing else by them.
_KEYS = ("configMap", "configMapRef", "configMapKeyRef")


def _replaced(value: Any, copies: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: {**child, "name": copies[child["name"]]}
            if key in _KEYS and isinstance(child, Mapping) and child.get("name") in copies
            else _replaced(child, copies)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [_replaced(child, copies) for child in value]
    return value


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key in _KEYS and isinstance(child, Mapping) and isinstance(child.get("name"), str):
                yield child["name"]
            else:
                yield from _names(child)
    elif isinstance(value, list):
        for child in value:
            yield from _names(child)
