"""A server with our roles and our policy, and people in it who are bound to them.

The bare server has no controllers, so that `aggregated` does what the cluster does with aggregated ClusterRoles.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
import yaml

from cluster.apiserver import ApiServer
from modelrollout.api.group import API_VERSION, GROUP
from tests.apiserver import kinds
from tests.apiserver.kubectl import Kubectl

BASE = Path(__file__).resolve().parents[2] / "manifests" / "base"
NAMESPACE = "payments"
OPERATOR = "system:serviceaccount:modelrollout:modelrollout"

PEOPLE: Mapping[str, str] = {
    "vera": "modelrollout-viewer",
    "otto": "modelrollout-on-call",
    "anna": "modelrollout-approver",
    "emil": "modelrollout-editor",
    "ines": "view",
    "edda": "edit",
    "adam": "admin",
}
"""Who is bound to which ClusterRole in the namespace. `noah` is nobody."""

Right = tuple[str, str]
"""A verb, and a resource with its subresource if any: ("patch", "modeldeployments/status")."""


@dataclass(frozen=True)
class Person:
    """kubectl in the hands of one user."""

    kubectl: Kubectl
    name: str

    def attempt(self, *arguments: str, body: Mapping[str, Any] | None = None) -> str | None:
        """None if it was allowed, or else what the API server says to it."""
        stdin = None if body is None else json.dumps(body)
        done = self.kubectl.attempt(f"--as={self.name}", *arguments, stdin=stdin)
        return None if done.returncode == 0 else done.stderr.strip()

    def creates(self, body: Mapping[str, Any]) -> str | None:
        return self.attempt("create", "-f", "-", body=body)

    def answers(self, action: str, status: Mapping[str, Any]) -> str | None:
        """A merge patch of an action's status, as `attempt` tells it. kubectl would read the subresource first."""
        config = yaml.safe_load(self.kubectl.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        path = f"apis/{API_VERSION}/namespaces/{self.kubectl.namespace}/rolloutactions/{action}/status"
        answer = requests.patch(
            f"{cluster['server']}/{path}",
            data=json.dumps({"status": status}),
            headers={
                "Authorization": f"Bearer {user['token']}",
                "Content-Type": "application/merge-patch+json",
                "Impersonate-User": self.name,
            },
            verify=cluster["certificate-authority"],
            timeout=30,
        )
        return None if answer.ok else str(answer.json()["message"])

    def rights(self, asked: Sequence[Right], *, namespace: str | None = NAMESPACE) -> set[Right]:
        """Those of the rights that the authorizer grants. `namespace` is None for objects of the whole cluster."""
        reviews = [self._review(verb, resource, namespace) for verb, resource in asked]
        told = self.kubectl(
            "create", "-f", "-", "-o", 'jsonpath={.status.allowed}{"\\n"}', stdin=json.dumps(_list_of(reviews))
        )
        answers = told.splitlines()
        return {right for right, answer in zip(asked, answers, strict=True) if answer == "true"}

    def _review(self, verb: str, resource: str, namespace: str | None) -> dict[str, Any]:
        kind, _, sub = resource.partition("/")
        attributes = {"group": GROUPS.get(kind, GROUP), "verb": verb, "resource": kind, "subresource": sub}
        if namespace is not None:
            attributes["namespace"] = namespace
        groups = ["system:authenticated", *(["system:serviceaccounts"] if ":" in self.name else [])]
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": self.name, "groups": groups, "resourceAttributes": attributes},
        }


GROUPS = {
    "configmaps": "",
    "secrets": "",
    "services": "",
    "pods": "",
    "deployments": "apps",
    "networkpolicies": "networking.k8s.io",
    "roles": "rbac.authorization.k8s.io",
    "rolebindings": "rbac.authorization.k8s.io",
}


def _list_of(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def installed(server: ApiServer) -> Kubectl:
    """An administrator of a server with all of `manifests/base`, and of the people's namespace."""
    admin = Kubectl(server.kubectl, server.kubeconfig(), server.folder / "kubectl-cache")
    replace(admin, namespace="modelrollout")("apply", "--server-side", "-k", BASE)
    kinds.wait_until_published(admin)
    people = admin.within(NAMESPACE)
    admin("create", "namespace", "lending")
    for name, role in PEOPLE.items():
        people("create", "rolebinding", name, f"--clusterrole={role}", f"--user={name}")
    aggregated(admin)
    return people


def aggregated(admin: Kubectl) -> None:
    """Gives each aggregated ClusterRole the rules of those that its labels choose, until nothing changes any more."""
    roles = {one["metadata"]["name"]: one for one in json.loads(admin("get", "clusterroles", "-o", "json"))["items"]}
    gathered = {name: role for name, role in roles.items() if role.get("aggregationRule")}
    changed = True
    while changed:
        changed = False
        for role in gathered.values():
            rules = _rules(role, roles)
            changed = changed or rules != role.get("rules")
            role["rules"] = rules
    for role in gathered.values():
        admin("replace", "-f", "-", stdin=json.dumps(role))


def _rules(role: Mapping[str, Any], roles: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    selectors = [one["matchLabels"].items() for one in role["aggregationRule"]["clusterRoleSelectors"]]
    chosen = [
        other
        for name, other in sorted(roles.items())
        if name != role["metadata"]["name"]
        and any(wanted <= other["metadata"].get("labels", {}).items() for wanted in selectors)
    ]
    rules: list[Any] = []
    for other in chosen:
        rules += [rule for rule in other.get("rules") or [] if rule not in rules]
    return rules
