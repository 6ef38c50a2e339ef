"""kstatus' published rules for custom resources, as Argo CD, Flux and `kubectl` plug-ins apply them.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from __future__ import annotations

from typing import Any, Literal

Verdict = Literal["Current", "InProgress", "Failed", "Terminating"]


def kstatus(found: dict[str, Any]) -> Verdict:
    metadata, status = found["metadata"], found.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata["generation"]:
        return "InProgress"
    truths = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    if truths.get("Reconciling") == "True":
        return "InProgress"
    if truths.get("Stalled") == "True":
        return "Failed"
    if truths.get("Ready") in ("False", "Unknown"):
        return "InProgress"
    return "Current"
