"""Rendered objects with all taken away in which two ways of installing the same things may differ."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from tests.chart.rendering import Object

# Who installed it and as what release; and a word to Helm about what it leaves in place.
OF_HELM = (
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
    "helm.sh/resource-policy",
)
CLUSTER_WIDE = {
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}

Key = tuple[str, str, str]


def normal(rendered: Iterable[Object]) -> dict[Key, Object]:
    """By kind, namespace and name. The namespace itself is `--create-namespace`'s with Helm."""
    found: dict[Key, Object] = {}
    for one in rendered:
        if one["kind"] == "Namespace":
            continue
        plain = _normal(copy.deepcopy(one))
        metadata = plain["metadata"]
        if one["kind"] in CLUSTER_WIDE:
            metadata.pop("namespace", None)  # Kustomize gives one to kinds that are newer than itself
        key = (one["kind"], metadata.get("namespace", ""), metadata["name"])
        assert key not in found, f"rendered twice: {key}"
        found[key] = plain
    return found


def _normal(one: Object) -> Object:
    _clean(one["metadata"])
    if one["kind"] == "ValidatingAdmissionPolicy":
        one["spec"] = _on_one_line(one["spec"])
    spec = one.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("template"), dict):
        _clean(spec["template"].get("metadata", {}))
    return one


def _on_one_line(value: Any) -> Any:
    """Two writers of YAML fold a long expression at different places."""
    if isinstance(value, dict):
        return {key: _on_one_line(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_on_one_line(child) for child in value]
    return " ".join(value.split()) if isinstance(value, str) else value


def _clean(metadata: dict[str, Any]) -> None:
    for part in ("labels", "annotations"):
        kept = {key: value for key, value in (metadata.get(part) or {}).items() if key not in OF_HELM}
        metadata.pop(part, None)
        if kept:
            metadata[part] = kept
