"""ModelDeployments for the tests: the demo's own manifest of v1, with another version and a policy that is short."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROLLOUTS = Path(__file__).resolve().parents[2] / "demo" / "rollouts"
NAME = "biopsy"

Manifest = dict[str, Any]

SHADOW: Manifest = {"shadow": {"minRequests": 150, "holdFor": "2s"}}
CANARY: Manifest = {"canary": {"weights": [25, 50], "holdFor": "4s"}}
LONG_CANARY: Manifest = {"canary": {"weights": [25], "holdFor": "10m"}}
"""A canary that stays where it is, for what happens in the middle of one."""
SOAK: Manifest = {"soak": {"for": "4s"}}

# Wide enough that forty requests a second decide within seconds, and that pods which start beside each other on two
# cores are not called slow.
ERRORS: Manifest = {
    "name": "errors",
    "signal": "Errors",
    "tolerate": {"ratio": 1.1, "points": 0.1},
    "promoteWithin": {"points": 4},
}
LATENCY: Manifest = {
    "name": "latency",
    "signal": "Latency",
    "over": "250ms",
    "tolerate": {"points": 10},
    "promoteWithin": {"points": 25},
}


def manifest(
    version: str,
    *,
    name: str = NAME,
    stages: Sequence[Manifest] | None = None,
    gates: Sequence[Manifest] = (ERRORS, LATENCY),
    route: bool = True,
    replicas: int = 2,
    environment: dict[str, str] | None = None,
    max_duration: str = "10m",
    observe: Manifest | None = None,
) -> Manifest:
    """Version `v1` to `v8` of the demo's model; demo/server/README.md says what is wrong with which."""
    made: Manifest = yaml.safe_load((ROLLOUTS / "v1.yaml").read_text())
    made["metadata"] = {"name": name, "labels": {"team": "oncology"}, "annotations": {"example.com/ticket": "ONC-7"}}
    spec = made["spec"]
    spec["model"] |= {"version": version, "changelog": f"version {version} for a test"}
    spec["serving"]["replicas"] = replicas
    server = container(made)
    server["env"] = [
        {"name": key, "value": value} for key, value in {"MODEL_VERSION": version, **(environment or {})}.items()
    ]
    # Pods of several tests start beside each other; one that has to wait for the processor is not unready.
    server["readinessProbe"]["timeoutSeconds"] = 5
    server["resources"]["requests"]["cpu"] = "25m"
    if stages is None:
        stages = (SHADOW, CANARY, SOAK) if route else (CANARY, SOAK)
    if not route:
        del spec["route"]
    if observe is not None:
        spec["observe"] = copy.deepcopy(observe)
    spec["rollout"] |= {
        "stages": copy.deepcopy(list(stages)),
        "gates": copy.deepcopy(list(gates)),
        "interval": "2s",
        "warmup": "1s",
        "maxDuration": max_duration,
    }
    return made


def container(made: Manifest) -> Manifest:
    """The model server's container."""
    only: Manifest = made["spec"]["serving"]["template"]["spec"]["containers"][0]
    return only


def addressed(made: Manifest, *, namespace: str) -> Manifest:
    """The same in a namespace, reached by a host name of its own."""
    copied = copy.deepcopy(made)
    copied["metadata"]["namespace"] = namespace
    if "route" in copied["spec"]:
        copied["spec"]["route"]["hostnames"] = [hostname(namespace, copied["metadata"]["name"])]
    return copied


def hostname(namespace: str, name: str) -> str:
    return f"{name}.{namespace}.example.com"
