"""kstatus' published rules for custom resources, as Argo CD, Flux and `kubectl` plug-ins apply them.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md

An imitation that needs no Go; tests/gitops holds it against the library itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["Current", "InProgress", "Failed", "Terminating"]


def kstatus(found: Mapping[str, Any]) -> Verdict:
    metadata, status = found["metadata"], found.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata["generation"]:
        return "InProgress"
    for condition in status.get("conditions", []):
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    for condition in status.get("conditions", []):
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"
