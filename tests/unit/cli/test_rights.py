"""Which right is missing: what the API server and the policy say, and the roles that the manifests hold."""

from pathlib import Path

import pytest
import yaml

from modelrollout.api.rolloutaction import Verb
from modelrollout.cli.rights import ROLES, VIEWER, Ask, missing, missing_for

BASE = Path(__file__).resolve().parents[3] / "manifests" / "base"
ASK = Ask(verb="rollback", namespace="payments", deployment="fraud")


def verbs_of(role: str) -> set[str]:
    """Verbs on modeldeployments that an aggregated ClusterRole gathers."""
    documents = list(yaml.safe_load_all((BASE / "roles.yaml").read_text()))
    (found,) = [one for one in documents if one["metadata"]["name"] == role]
    labels = [one["matchLabels"] for one in found["aggregationRule"]["clusterRoleSelectors"]]
    parts = [
        one for one in documents if any(label.items() <= one["metadata"].get("labels", {}).items() for label in labels)
    ]
    rules = [rule for part in parts for rule in part["rules"] if "modeldeployments" in rule["resources"]]
    return {verb for rule in rules for verb in rule["verbs"]}


@pytest.mark.parametrize("verb", [verb.lower() for verb in Verb])
def test_the_role_that_is_named_holds_the_verb(verb: str) -> None:
    assert verb in verbs_of(ROLES[verb])


def test_who_looks_is_told_of_the_role_that_looks() -> None:
    assert verbs_of(VIEWER) >= {"get", "list", "watch"}


def test_the_policy_names_the_same_roles() -> None:
    policy = (BASE / "admission.yaml").read_text()
    assert all(role in policy for role in ROLES.values())


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            'rolloutactions.modelrollout.dev is forbidden: User "vera" cannot create resource "rolloutactions" in API '
            'group "modelrollout.dev" in the namespace "payments"',
            "vera may not rollback payments/fraud: it takes the verb create on rolloutactions.modelrollout.dev in "
            "namespace payments, and the verb rollback on modeldeployments.modelrollout.dev, name fraud\n"
            "An administrator of namespace payments grants it, by binding the ClusterRole modelrollout-on-call in "
            "namespace payments:\n"
            "  kubectl create rolebinding vera-modelrollout-on-call -n payments --clusterrole=modelrollout-on-call "
            "--user=vera",
        ),
        (
            "x denied request: system:serviceaccount:ci:bot may not approve ModelDeployment payments/fraud: it takes "
            "the verb approve on modeldeployments.modelrollout.dev; somebody grants it",
            "system:serviceaccount:ci:bot may not rollback payments/fraud: it takes the verb approve on "
            "modeldeployments.modelrollout.dev, name fraud, namespace payments\n"
            "A cluster administrator grants it, by binding the ClusterRole modelrollout-approver in namespace "
            "payments:\n"
            "  kubectl create rolebinding ci-bot-modelrollout-approver -n payments "
            "--clusterrole=modelrollout-approver --serviceaccount=ci:bot",
        ),
        (
            "x denied request: anna may not approve ModelDeployment payments/fraud as legal: it takes the verb "
            "approve-legal on modeldeployments.modelrollout.dev; somebody grants it",
            "anna may not rollback payments/fraud: it takes the verb approve-legal on "
            "modeldeployments.modelrollout.dev, name fraud, namespace payments\n"
            "A cluster administrator grants it, with a Role of its own: roles are the organisation's.",
        ),
        (
            "x denied request: spec.requestedBy must be your own user name",
            "spec.requestedBy must be your own user name",
        ),
        ("something else", "something else"),
    ],
)
def test_an_action_that_is_refused(message: str, told: str) -> None:
    assert missing_for(ASK, message) == told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            'User "noah" cannot list resource "modeldeployments" in API group "modelrollout.dev" at the cluster scope',
            "noah may not list modeldeployments.modelrollout.dev in all namespaces\n"
            "A cluster administrator grants it, by binding the ClusterRole modelrollout-viewer in all namespaces:\n"
            "  kubectl create clusterrolebinding noah-modelrollout-viewer --clusterrole=modelrollout-viewer "
            "--user=noah",
        ),
        (
            'users "otto" is forbidden: User "noah" cannot impersonate resource "users" in API group "" at the cluster '
            "scope",
            "noah may not act as another user: it takes the verb impersonate on users",
        ),
        (
            'User "noah" cannot get resource "configmaps" in API group "" in the namespace "payments"',
            "noah may not get configmaps in namespace payments: it takes the verb get on configmaps",
        ),
        ("no", "no"),
    ],
)
def test_a_look_that_is_refused(message: str, told: str) -> None:
    assert missing(message) == told
