"""The observer's objects: its pod, what it is told, where it can be reached, and what it can reach.

It reads requests of users, so it runs with as little as there is: no token, no root, no writable file, and no way out
but to the pods of the two revisions and the name server. Who may reach it is bounded by port alone, because nobody can
say from here in which namespace the gateway's proxies and Prometheus run.
"""

from typing import Any

from modelrollout.api.group import (
    ANNOTATION_REVISIONS,
    ANNOTATION_SETTINGS,
    LABEL_COMPONENT,
    LABEL_NAME,
    LABEL_REVISION,
)
from modelrollout.api.observer import METRICS_PORT, REQUEST_PORT, SETTINGS_FILE, service_name
from modelrollout.children.owner import Owner
from modelrollout.plan.actions import ApplyObserver

COMPONENT = "observer"
_MOUNT = "/etc/modelrollout"
_DNS_PORT = 53


def observer_belongings(owner: Owner, wanted: ApplyObserver, *, uid: str) -> tuple[dict[str, Any], ...]:
    """What the Deployment with this uid needs, in the order in which it is applied.

    The Service is last: its annotation says that all is there. The others are the Deployment's own, so that garbage
    collection removes them with it and nobody needs a right to delete ConfigMaps or network policies.
    """
    return (_policy(owner, wanted, uid), _config(owner, wanted, uid), _service(owner, wanted))


def _metadata(owner: Owner, *, workload: str | None = None) -> dict[str, Any]:
    """`workload` is the uid of the observer's Deployment, for what belongs to it."""
    name = service_name(owner.name)
    metadata = owner.metadata(name)
    metadata["labels"][LABEL_COMPONENT] = COMPONENT
    if workload is not None:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": workload}]
    return metadata


def _labels(owner: Owner) -> dict[str, str]:
    """Of its pods: no revision, so that no Service of a revision and no question about its pods means them."""
    return {LABEL_NAME: owner.name, LABEL_COMPONENT: COMPONENT}


def _policy(owner: Owner, wanted: ApplyObserver, uid: str) -> dict[str, Any]:
    of_revisions = {
        "matchLabels": {LABEL_NAME: owner.name},
        "matchExpressions": [{"key": LABEL_REVISION, "operator": "In", "values": list(wanted.revisions)}],
    }
    dns = [{"protocol": protocol, "port": _DNS_PORT} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(owner, workload=uid),
        "spec": {
            "podSelector": {"matchLabels": _labels(owner)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"protocol": "TCP", "port": port} for port in (REQUEST_PORT, METRICS_PORT)]}],
            "egress": [
                {
                    "to": [{"podSelector": of_revisions}],
                    "ports": [{"protocol": "TCP", "port": port} for port in wanted.ports],
                },
                {"ports": dns},
            ],
        },
    }


def _config(owner: Owner, wanted: ApplyObserver, uid: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(owner, workload=uid),
        "data": {SETTINGS_FILE: wanted.settings},
    }


def _service(owner: Owner, wanted: ApplyObserver) -> dict[str, Any]:
    metadata = _metadata(owner)
    metadata["annotations"] = {ANNOTATION_SETTINGS: wanted.digest}
    ports = (("http", REQUEST_PORT), ("metrics", METRICS_PORT))
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "selector": _labels(owner),
            "ports": [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in ports],
        },
    }


def observer_workload(owner: Owner, wanted: ApplyObserver) -> dict[str, Any]:
    labels = _labels(owner)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(owner),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    # Other revisions start another pod: it would take the kubelet a minute to tell the present one.
                    "annotations": {
                        ANNOTATION_REVISIONS: ",".join(wanted.revisions),
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(METRICS_PORT),
                    },
                },
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 5,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [_container(wanted)],
                    "volumes": [{"name": "settings", "configMap": {"name": service_name(owner.name)}}],
                },
            },
        },
    }


def _container(wanted: ApplyObserver) -> dict[str, Any]:
    return {
        "name": COMPONENT,
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--settings", f"{_MOUNT}/{SETTINGS_FILE}"],
        "ports": [
            {"name": "http", "containerPort": REQUEST_PORT},
            {"name": "metrics", "containerPort": METRICS_PORT},
        ],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": METRICS_PORT}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": METRICS_PORT}, "periodSeconds": 10},
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "192Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "settings", "mountPath": _MOUNT, "readOnly": True}],
    }
