"""The API server: where things are (`resources`), what may be asked (`api`), by whom (`client`) and what goes wrong.

Nothing is tried twice here. A hidden retry would write something that was decided from an older state of the world;
the work queue tries again instead, with a backoff, and decides anew.

Writes pass a token bucket, because a hundred rollouts that turn at one moment must not crowd others out of the API
server. The Lease is exempt: an operator that is busy writing must not lose its leadership by waiting in its own line.

A person's command has a client of its own (`kubeconfig`, `blocking`), which starts at once. The operator's is therefore
imported when it is asked for.
"""

from typing import TYPE_CHECKING

from modelrollout.adapters.kubernetes.api import (
    JsonObject,
    KubernetesApi,
    Propagation,
)
from modelrollout.adapters.kubernetes.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    NotConfiguredError,
    NotFound,
    TooManyRequests,
    Unreachable,
)
from modelrollout.adapters.kubernetes.resources import (
    CLUSTER_GATE_TEMPLATES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    GATE_TEMPLATES,
    HTTP_ROUTES,
    LEASES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    NETWORK_POLICIES,
    PODS,
    ROLLOUT_ACTIONS,
    SECRETS,
    SERVICES,
    Resource,
)

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import KubernetesClient, OnRequest

__all__ = [
    "CLUSTER_GATE_TEMPLATES",
    "CONFIG_MAPS",
    "DEPLOYMENTS",
    "EVENTS",
    "GATE_TEMPLATES",
    "HTTP_ROUTES",
    "LEASES",
    "MODEL_DEPLOYMENTS",
    "MODEL_REVISIONS",
    "NETWORK_POLICIES",
    "PODS",
    "ROLLOUT_ACTIONS",
    "SECRETS",
    "SERVICES",
    "ApiError",
    "Conflict",
    "Forbidden",
    "Invalid",
    "JsonObject",
    "KubernetesApi",
    "KubernetesClient",
    "NotConfiguredError",
    "NotFound",
    "OnRequest",
    "Propagation",
    "Resource",
    "TooManyRequests",
    "Unreachable",
]


def __getattr__(name: str) -> object:
    if name in ("KubernetesClient", "OnRequest"):
        from modelrollout.adapters.kubernetes import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
