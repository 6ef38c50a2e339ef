"""A revision's content as texts, each under a path, so that two of them can be compared like two folders.

The model, the serving template, contract and card are YAML; each key of a ConfigMap is a text of its own, read from the
immutable copy that the revision's pods read. Of a Secret there is the hash.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.adapters.kubernetes.errors import Forbidden
from modelrollout.adapters.kubernetes.resources import CONFIG_MAPS
from modelrollout.cli.cluster import Cluster
from modelrollout.cli.objects import Revision
from modelrollout.cli.terminal import document


@dataclass(frozen=True, slots=True)
class Contents:
    """`notes` say what could not be read."""

    files: Mapping[str, str]
    notes: tuple[str, ...]


def contents(cluster: Cluster, revision: Revision) -> Contents:
    files = {
        f"{part}.yaml": document(revision.spec[part], "yaml")
        for part in ("model", "serving", "contract", "card")
        if revision.spec.get(part)
    }
    notes: list[str] = []
    config = revision.spec.get("config") or {}
    for copy in config.get("configMaps") or ():
        read, note = _copy(cluster, copy)
        files |= read
        notes += [note] if note else []
    for secret in config.get("secrets") or ():
        files[f"secret/{secret['name']}"] = f"content with the hash {secret['hash']}"
    return Contents(files, tuple(notes))


def _copy(cluster: Cluster, copy: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Its keys; where it cannot be read its digest, and why."""
    path = f"config/{copy['name']}"
    known = {path: f"content with the digest {copy['digest']}"}
    try:
        found = cluster.api.get(CONFIG_MAPS, namespace=cluster.namespace, name=copy["copy"])
    except Forbidden:
        where = f"configmaps, name {copy['copy']}, namespace {cluster.namespace}"
        return known, f"the content of ConfigMap {copy['name']} is not shown: it takes the verb get on {where}"
    if found is None:
        return known, f"the content of ConfigMap {copy['name']} is not shown: its copy {copy['copy']} is gone"
    return {f"{path}/{key}": text for key, text in _keys(found)}, None


def _keys(config_map: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (config_map.get("data") or {}).items()
    for key, data in (config_map.get("binaryData") or {}).items():
        yield key, f"binary, in base64: {data}"
