"""Services: one for each revision, which routes name, and one with the ModelDeployment's own name, which people use."""

from collections.abc import Mapping
from typing import Any

from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.revision import child_name, short
from modelrollout.children.owner import Owner


def service_manifest(owner: Owner, revision: ModelRevisionSpec) -> dict[str, Any]:
    id = short(revision.digest)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(child_name(owner.name, id), revision=id),
        "spec": _spec(owner.labels(id), port=revision.serving.port),
    }


def entry_manifest(owner: Owner, *, selector: Mapping[str, str], port: int) -> dict[str, Any]:
    """Applied with its selector replaced as a whole: a key that is left out is given up by the field manager."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata(owner.name),
        "spec": _spec(selector, port=port),
    }


def _spec(selector: Mapping[str, str], *, port: int) -> dict[str, Any]:
    return {
        "selector": dict(selector),
        "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}],
    }
