"""What the operator's token opens, and what it does not: RBAC, and the policy that keeps it to its own children."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from cluster import apiserver
from modelrollout.children import Owner, observer_belongings, observer_workload
from modelrollout.plan.actions import ApplyObserver
from tests.apiserver.corpus_files import good
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.people import OPERATOR, Person, installed

OWNER = {
    "apiVersion": "modelrollout.dev/v1alpha1",
    "kind": "ModelDeployment",
    "name": "fraud",
    "uid": "1",
    "controller": True,
}
OURS = {"labels": {"app.kubernetes.io/managed-by": "modelrollout"}, "ownerReferences": [OWNER]}
POD = {"containers": [{"name": "server", "image": "server:1"}]}
SPECS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "deployment": (
        "apps/v1",
        {
            "spec": {
                "selector": {"matchLabels": {"app": "a"}},
                "template": {"metadata": {"labels": {"app": "a"}}, "spec": POD},
            }
        },
    ),
    "service": ("v1", {"spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}}),
    "configmap": ("v1", {"data": {"a": "b"}}),
}
KINDS = {"deployment": "Deployment", "service": "Service", "configmap": "ConfigMap"}


@pytest.fixture(scope="module")
def people() -> Iterator[Kubectl]:
    with apiserver.running() as server:
        yield installed(server)


@pytest.fixture(scope="module")
def operator(people: Kubectl) -> Person:
    return Person(people, OPERATOR)


def manifest(kind: str, name: str, **metadata: Any) -> dict[str, Any]:
    version, rest = SPECS[kind]
    return {
        "apiVersion": version,
        "kind": KINDS[kind],
        "metadata": {"name": name, **deepcopy(metadata)},
        **deepcopy(dict(rest)),
    }


def applied(person: Person, body: Mapping[str, Any]) -> str | None:
    """As the operator applies: server-side, taking over what others hold."""
    options = ("--server-side", "--force-conflicts", "--field-manager=modelrollout")
    return person.attempt("apply", *options, "-f", "-", body=body)


@pytest.mark.parametrize("kind", SPECS)
class TestChildren:
    def test_its_own_it_makes_and_changes(self, operator: Person, kind: str) -> None:
        made = manifest(kind, f"own-{kind}", **OURS)
        assert applied(operator, made) is None
        made["metadata"]["annotations"] = {"changed": "yes"}
        assert applied(operator, made) is None

    def test_what_belongs_to_nobody_it_does_not_make(self, operator: Person, kind: str) -> None:
        for metadata in ({}, {"labels": OURS["labels"]}, {"ownerReferences": OURS["ownerReferences"]}):
            said = applied(operator, manifest(kind, "loose", **metadata))
            assert said is not None
            assert f"{kind}s payments/loose would not be the operator's own: what it makes has the label" in said

    def test_a_foreign_one_it_neither_changes_nor_takes_over(
        self, people: Kubectl, operator: Person, kind: str
    ) -> None:
        foreign = manifest(kind, f"foreign-{kind}", labels={"app.kubernetes.io/managed-by": "Helm"})
        people.apply(foreign)
        before = people.get(kind, f"foreign-{kind}")

        for body in (manifest(kind, f"foreign-{kind}", **OURS), manifest(kind, f"foreign-{kind}")):
            said = applied(operator, body)
            assert said is not None
            assert (
                f"{kind}s payments/foreign-{kind} was not made by the operator, and it changes nothing of others: "
                "rename one of the two, or delete that object"
            ) in said
        assert people.get(kind, f"foreign-{kind}") == before

    def test_one_whose_owner_or_label_was_taken_off_is_its_own_still(
        self, people: Kubectl, operator: Person, kind: str
    ) -> None:
        for name, metadata in (("orphan", {"labels": OURS["labels"]}), ("bare", {"ownerReferences": [OWNER]})):
            people.apply(manifest(kind, f"{name}-{kind}", **metadata))
            assert applied(operator, manifest(kind, f"{name}-{kind}", **OURS)) is None

    def test_it_gives_away_nothing(self, operator: Person, kind: str) -> None:
        """A child cannot be made to look like somebody else's."""
        assert applied(operator, manifest(kind, f"given-{kind}", **OURS)) is None
        patch = '-p={"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm"}}}'
        said = operator.attempt("patch", kind, f"given-{kind}", "--type=merge", patch)
        assert said is not None
        assert "would not be the operator's own" in said


def test_settings_and_network_policy_of_an_observer_belong_to_its_deployment_and_to_no_other(
    people: Kubectl, operator: Person
) -> None:
    owner = Owner(namespace="payments", name="fraud", uid="1")
    wanted = ApplyObserver(settings="{}", digest="d", image="observer:1", revisions=("0123456789",), ports=(8080,))
    assert applied(operator, observer_workload(owner, wanted)) is None
    uid = people.get("deployment", "fraud-observer")["metadata"]["uid"]
    for belonging in observer_belongings(owner, wanted, uid=uid):
        assert applied(operator, belonging) is None
        stray = deepcopy(belonging)
        stray["metadata"] |= {"name": "stray", "ownerReferences": [{**_OF_A_DEPLOYMENT, "uid": uid}]}
        said = applied(operator, stray)
        assert said is not None
        assert "would not be the operator's own" in said


_OF_A_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud-observer"}


@pytest.mark.parametrize("kind", ["deployment", "service"])
def test_it_removes_its_own_and_nothing_else(people: Kubectl, operator: Person, kind: str) -> None:
    people.apply(manifest(kind, f"kept-{kind}"))
    assert applied(operator, manifest(kind, f"gone-{kind}", **OURS)) is None

    assert operator.attempt("delete", kind, f"gone-{kind}") is None
    said = operator.attempt("delete", kind, f"kept-{kind}")
    assert said is not None
    assert f"{kind}s payments/kept-{kind} was not made by the operator" in said


def test_nobody_else_is_confined(people: Kubectl) -> None:
    edda = Person(people, "edda")
    assert applied(edda, manifest("deployment", "of-edda")) is None
    namesake = Person(people, "modelrollout")
    people("create", "rolebinding", "namesake", "--clusterrole=edit", "--user=modelrollout")
    assert applied(namesake, manifest("deployment", "of-a-namesake")) is None


FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "read a Secret": ("get", "secret", "token"),
    "read all Secrets": ("get", "secrets", "--all-namespaces"),
    "write a ModelDeployment's spec": (
        "patch",
        "mdep",
        "fraud",
        "--type=merge",
        '-p={"spec":{"serving":{"replicas":9}}}',
    ),
    "remove a ModelDeployment": ("delete", "mdep", "fraud"),
    "take down its fence": ("delete", "validatingadmissionpolicy", "modelrollout-confinement"),
    "loosen its fence": (
        "patch",
        "validatingadmissionpolicybinding",
        "modelrollout-confinement",
        "--type=merge",
        "-p={}",
    ),
    "change the policy of actions": (
        "patch",
        "validatingadmissionpolicy",
        "modelrollout-actions",
        "--type=merge",
        "-p={}",
    ),
    "change a role": ("patch", "clusterrole", "modelrollout", "--type=merge", "-p={}"),
    "bind a role": ("create", "clusterrolebinding", "own", "--clusterrole=cluster-admin", f"--user={OPERATOR}"),
    "change a definition": ("patch", "crd", "modeldeployments.modelrollout.dev", "--type=merge", "-p={}"),
    "run in a pod": ("delete", "pod", "any"),
    "make a pod": ("create", "-f", "-"),
    "ask for a token": ("create", "token", "default"),
    "change a namespace": ("patch", "namespace", "payments", "--type=merge", "-p={}"),
    "take a Lease of others": ("get", "lease", "other", "-n", "modelrollout"),
    "read nodes": ("get", "nodes"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_it_may_not(people: Kubectl, operator: Person, what: str) -> None:
    if not people.attempt("get", "mdep", "fraud").stdout:
        people.apply({**good("minimal"), "metadata": {"name": "fraud"}})
        people("create", "secret", "generic", "token", "--from-literal=a=b")
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": POD} if what == "make a pod" else None
    said = operator.attempt(*FORBIDDEN[what], body=body)
    assert said is not None
    assert f'User "{OPERATOR}" cannot ' in said


def test_it_may_hold_its_lease(people: Kubectl) -> None:
    operator = Person(replace(people, namespace="modelrollout"), OPERATOR)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "modelrollout"}}
    assert operator.creates({**lease, "spec": {"holderIdentity": "a"}}) is None
    assert operator.attempt("get", "lease", "modelrollout") is None
