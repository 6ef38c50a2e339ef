"""The kinds of objects that the operator touches, and where the API server keeps them.

Paths are written out: discovery costs requests, and these do not change.
"""

from dataclasses import dataclass
from urllib.parse import quote

from modelrollout.api.group import (
    CLUSTER_GATE_TEMPLATE,
    GATE_TEMPLATE,
    GROUP,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    ROLLOUT_ACTION,
    VERSION,
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object as the API server addresses it. The core group is the empty string."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Without a namespace: all namespaces, or the cluster for a kind that is not namespaced."""
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{_segment(namespace)}" if self.namespaced and namespace is not None else ""
        item = f"/{_segment(name)}" if name is not None else ""
        return f"{prefix}{scope}/{self.plural}{item}" + (f"/{subresource}" if subresource else "")


MODEL_DEPLOYMENTS = Resource(GROUP, VERSION, "modeldeployments", MODEL_DEPLOYMENT)
MODEL_REVISIONS = Resource(GROUP, VERSION, "modelrevisions", MODEL_REVISION)
ROLLOUT_ACTIONS = Resource(GROUP, VERSION, "rolloutactions", ROLLOUT_ACTION)
GATE_TEMPLATES = Resource(GROUP, VERSION, "gatetemplates", GATE_TEMPLATE)
CLUSTER_GATE_TEMPLATES = Resource(GROUP, VERSION, "clustergatetemplates", CLUSTER_GATE_TEMPLATE, namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICES = Resource("", "v1", "services", "Service")
PODS = Resource("", "v1", "pods", "Pod")
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
SELF_SUBJECT_REVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")


def _segment(name: str) -> str:
    return quote(name, safe="")
