"""Deployments, Services and HTTPRoutes as people write them, without what the API server fills in."""

from collections.abc import Mapping, Sequence
from typing import Any

JsonObject = dict[str, Any]

_POD_DEFAULTS: JsonObject = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
_CONTAINER_DEFAULTS: JsonObject = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PORT_DEFAULTS: JsonObject = {"protocol": "TCP"}
_PROBE_DEFAULTS: JsonObject = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_HTTP_DEFAULTS: JsonObject = {"scheme": "HTTP"}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


def template(found: Mapping[str, Any], *, without_labels: Sequence[str] = ()) -> JsonObject:
    """A pod template of a Deployment in the cluster, as somebody would have written it."""
    metadata, spec = found.get("metadata") or {}, found["spec"]
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in without_labels}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _RESTARTED}
    kept = {"labels": labels, "annotations": annotations}
    written = {
        **_without(spec, _POD_DEFAULTS),
        "containers": [_container(one) for one in spec["containers"]],
        **({"initContainers": [_container(one) for one in spec["initContainers"]]} if "initContainers" in spec else {}),
    }
    if written.get("serviceAccount") == written.get("serviceAccountName"):
        written.pop("serviceAccount", None)  # the old spelling, which the API server fills in
    described = {key: value for key, value in kept.items() if value}
    return {**({"metadata": described} if described else {}), "spec": written}


def _container(found: Mapping[str, Any]) -> JsonObject:
    written = _without(found, _CONTAINER_DEFAULTS)
    if "ports" in written:
        written["ports"] = [_without(port, _PORT_DEFAULTS) for port in written["ports"]]
    for name in _PROBES:
        if name in written:
            probe = _without(written[name], _PROBE_DEFAULTS)
            if "httpGet" in probe:
                probe["httpGet"] = _without(probe["httpGet"], _HTTP_DEFAULTS)
            written[name] = probe
    return written


def _without(found: Mapping[str, Any], defaults: Mapping[str, Any]) -> JsonObject:
    return {key: value for key, value in found.items() if key not in defaults or value != defaults[key]}
