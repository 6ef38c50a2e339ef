"""Which right is missing, and who grants it. The roles are those of manifests/base/roles.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

VIEWER = "modelrollout-viewer"
ROLES: Mapping[str, str] = {
    "approve": "modelrollout-approver",
    "reject": "modelrollout-on-call",
    "promote": "modelrollout-editor",
    "pause": "modelrollout-on-call",
    "resume": "modelrollout-on-call",
    "rollback": "modelrollout-on-call",
    "retry": "modelrollout-editor",
}
"""The least ClusterRole that holds each verb."""

_RBAC = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_DENIED = "denied request: "
_POLICY = re.compile(r"^(?P<user>\S+) may not \S+ ModelDeployment .*: it takes the verb (?P<verb>\S+) on ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What was asked for: a verb in lower case, on a ModelDeployment."""

    verb: str
    namespace: str
    deployment: str


def missing(message: str) -> str:
    """For a request that only looks."""
    found = _RBAC.search(message)
    if found is None:
        return message
    user, verb, group, namespace = found["user"], found["verb"], found["group"], found["namespace"]
    kind = f"{found['resource']}.{group}" if group else found["resource"]
    said = f"{user} may not {verb} {kind} {_where(namespace)}"
    if verb == "impersonate":
        return f"{user} may not act as another user: it takes the verb impersonate on {kind}"
    if group != "modelrollout.dev":
        return f"{said}: it takes the verb {verb} on {kind}"
    return f"{said}\n{_bind(VIEWER, user, namespace)}"


def missing_for(ask: Ask, message: str) -> str:
    """For an action that the API server or the admission policy refused."""
    about = f"{ask.namespace}/{ask.deployment}"
    if _DENIED in message:
        sentence = message.partition(_DENIED)[2]
        denied = _POLICY.match(sentence)
        if denied is None:
            return sentence
        user, verb = denied["user"], denied["verb"]
        return (
            f"{user} may not {ask.verb} {about}: it takes the verb {verb} on modeldeployments.modelrollout.dev, "
            f"name {ask.deployment}, namespace {ask.namespace}\n{_granted(verb, user, ask.namespace)}"
        )
    found = _RBAC.search(message)
    if found is None or found["resource"] != "rolloutactions":
        return missing(message)
    user = found["user"]
    return (
        f"{user} may not {ask.verb} {about}: it takes the verb {found['verb']} on rolloutactions.modelrollout.dev "
        f"in namespace {ask.namespace}, and the verb {ask.verb} on modeldeployments.modelrollout.dev, "
        f"name {ask.deployment}\n{_granted(ask.verb, user, ask.namespace)}"
    )


def _granted(verb: str, user: str, namespace: str) -> str:
    if verb not in ROLES:
        return "A cluster administrator grants it, with a Role of its own: roles are the organisation's."
    return _bind(ROLES[verb], user, namespace)


def _bind(role: str, user: str, namespace: str | None) -> str:
    """Who grants it, and what they type."""
    who = "A cluster administrator"
    if namespace and role != ROLES["approve"]:
        who = f"An administrator of namespace {namespace}"
    kind, flags = ("rolebinding", f" -n {namespace}") if namespace else ("clusterrolebinding", "")
    account = user.removeprefix("system:serviceaccount:")
    subject = f"--user={user}" if account == user else f"--serviceaccount={account}"
    name = re.sub("[^a-z0-9.-]+", "-", f"{account}-{role}".lower()).strip("-.")
    return (
        f"{who} grants it, by binding the ClusterRole {role} {_where(namespace)}:\n"
        f"  kubectl create {kind} {name}{flags} --clusterrole={role} {subject}"
    )


def _where(namespace: str | None) -> str:
    return f"in namespace {namespace}" if namespace else "in all namespaces"
