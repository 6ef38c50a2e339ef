"""The HTTPRoute: weights and mirror in one object, so that a step of a rollout is one write.

No `percent` on the mirror: gateways are free to ignore it, and some do. Every request is copied.
"""

from typing import Any

from modelrollout.children.owner import Owner
from modelrollout.plan.observation import RouteView


def route_manifest(owner: Owner, route: RouteView) -> dict[str, Any]:
    backends = [{"name": to.service, "port": to.port, "weight": to.weight} for to in route.backends]
    rule: dict[str, Any] = {"backendRefs": backends}
    if route.mirror is not None:
        target = {"name": route.mirror.service, "port": route.mirror.port}
        rule["filters"] = [{"type": "RequestMirror", "requestMirror": {"backendRef": target}}]
    spec: dict[str, Any] = {"parentRefs": [_parent(*parent) for parent in route.parents], "rules": [rule]}
    if route.hostnames:
        spec["hostnames"] = list(route.hostnames)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": owner.metadata(owner.name),
        "spec": spec,
    }


def _parent(name: str, namespace: str | None, section: str | None) -> dict[str, str]:
    parent = {"name": name, "namespace": namespace, "sectionName": section}
    return {key: value for key, value in parent.items() if value is not None}
