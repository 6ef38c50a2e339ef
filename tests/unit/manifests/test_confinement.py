"""Whatever the operator may write by RBAC, its confinement looks at, or it is named here with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

BASE = Path(__file__).resolve().parents[3] / "manifests" / "base"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}

# Kinds of which it may write objects that it did not make.
OPEN = {
    ("modelrollout.dev", "rolloutactions"): "people's requests, of which it removes old ones",
    ("events.k8s.io", "events"): "what it says about others",
}


def test_no_kind_is_written_outside_of_the_confinement() -> None:
    (role,) = [one for one in _documents("rbac.yaml") if (one["kind"], one["metadata"]["name"]) == CLUSTER_ROLE]
    written = {
        (group, resource)
        for rule in role["rules"]
        if WRITES & set(rule["verbs"])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if not resource.endswith("/status")
    }
    (policy,) = [one for one in _documents("confinement.yaml") if one["kind"] == "ValidatingAdmissionPolicy"]
    confined = {
        (group, resource)
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]
        if rule["operations"] == ["CREATE", "UPDATE", "DELETE"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert written - OPEN.keys() == confined


CLUSTER_ROLE = ("ClusterRole", "modelrollout")


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((BASE / name).read_text()))
