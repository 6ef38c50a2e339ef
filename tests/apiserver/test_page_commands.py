"""The commands of the pages that ask a cluster, each as it stands there, in a shell, on a real API server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from modelrollout.api.modeldeployment import StageName
from tests.apiserver import rollouts
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.shell import Shell
from tests.builders import BAD, FEW, id_of, live, rolling, spec
from tests.pages import ROOT, command, commands

ROLLING = rolling(spec("7"), StageName.CANARY, live=spec("6"), weight=25, seen=FEW)
ROLLED_BACK = rolling(spec("7"), StageName.CANARY, live=spec("6"), weight=25, seen=BAD)
SCORER = replace(live(spec("3")), name="scorer-model", namespace="search")

HTTP_ROUTE = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "httproutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}
"""The gateway's kind, without what it checks."""


@pytest.fixture
def shell(people: Kubectl, tmp_path: Path) -> Shell:
    return Shell(people, tmp_path)


def printed(shell: Shell, *shown: str) -> str:
    done = shell(*shown)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@pytest.fixture(scope="class")
def rolling_out(people: Kubectl) -> Iterator[None]:
    """`payments/fraud`, version 7 in its canary beside version 6."""
    rollouts.put(people, ROLLING)
    yield
    rollouts.remove(people, "fraud")


@pytest.mark.usefixtures("rolling_out")
class TestARollout:
    def test_it_is_watched(self, shell: Shell) -> None:
        assert shell.until(command("README.md", "kubectl model status fraud --watch"), "Canary") == 130

    @pytest.mark.parametrize(
        ("shown", "told"),
        [
            (command("README.md", "kubectl model history"), f"7 {id_of(spec('7'))} Canary"),
            (command("README.md", "kubectl model queue"), "Nothing waits for a person."),
            (command("docs/troubleshooting.md", "kubectl get mdep fraud -o wide"), "Canary"),
        ],
        ids=["history", "queue", "get"],
    )
    def test_it_is_looked_at(self, shell: Shell, shown: str, told: str) -> None:
        assert told in printed(shell, shown)

    def test_two_versions_are_compared(self, shell: Shell) -> None:
        done = shell(command("README.md", "kubectl model diff"))
        assert done.returncode == 1, "as diff does where there is a difference"
        assert "+    - image: fraud:7" in done.stdout

    def test_its_events_are_listed(self, shell: Shell) -> None:
        shell.kubectl("create", "-f", "-", stdin=json.dumps(_event("payments", "fraud")))
        assert "EvidenceOfHarm" in printed(shell, command("docs/troubleshooting.md", "kubectl events"))

    def test_it_is_taken_back(self, shell: Shell) -> None:
        known = rollouts.actions(shell.kubectl).keys()
        with rollouts.answering(shell.kubectl, "Applied"):
            told = printed(shell, command("README.md", "kubectl model rollback"))
        assert told == "rollback of payments/fraud: Applied. It was looked at."
        (asked,) = (one["spec"] for name, one in rollouts.actions(shell.kubectl).items() if name not in known)
        assert (asked["action"], asked["reason"]) == ("Rollback", "errors are up")


def _event(namespace: str, name: str) -> dict[str, object]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.1", "namespace": namespace},
        "eventTime": "2026-11-24T12:00:00.000000Z",
        "type": "Warning",
        "reason": "EvidenceOfHarm",
        "note": "version 7 was rolled back",
        "action": "Reconcile",
        "reportingController": "modelrollout.dev/operator",
        "reportingInstance": "modelrollout",
        "regarding": {
            "apiVersion": "modelrollout.dev/v1alpha1",
            "kind": "ModelDeployment",
            "namespace": namespace,
            "name": name,
        },
    }


@pytest.fixture
def taken_back(people: Kubectl) -> Iterator[None]:
    rollouts.put(people, ROLLED_BACK)
    yield
    rollouts.remove(people, "fraud")


@pytest.mark.usefixtures("taken_back")
class TestWhatWasTakenBack:
    def test_it_says_why_in_its_columns(self, shell: Shell) -> None:
        told = printed(shell, *commands("docs/gitops.md", "kubectl get mdep", "kubectl get mrev"))
        assert "EvidenceOfHarm" in told
        assert "RolledBack" in told

    @pytest.mark.parametrize(
        "shown",
        [command("README.md", "kubectl model why"), command("docs/troubleshooting.md", "kubectl model why")],
        ids=["README.md", "troubleshooting.md"],
    )
    def test_it_says_why_in_a_paragraph(self, shell: Shell, shown: str) -> None:
        told = printed(shell, shown)
        assert "version 7" in told
        assert "gate errors" in told


def test_argo_cd_is_told(shell: Shell) -> None:
    shell.kubectl("create", "namespace", "argocd")
    shell.kubectl("create", "configmap", "argocd-cm", "-n", "argocd", "--from-literal=url=https://argocd.example")

    printed(shell, command("docs/gitops.md", "kubectl kustomize manifests/gitops/argocd"))

    data = json.loads(shell.kubectl("get", "configmap", "argocd-cm", "-n", "argocd", "-o", "json"))["data"]
    assert data.pop("url") == "https://argocd.example"
    assert data == {
        f"resource.customizations.health.modelrollout.dev_{kind}": (
            ROOT / "manifests" / "gitops" / "argocd" / f"{kind.lower()}.lua"
        ).read_text()
        for kind in ("ModelDeployment", "ModelRevision")
    }


def test_alertmanager_has_its_token(shell: Shell) -> None:
    printed(shell, command("docs/alerts.md", "kubectl -n modelrollout create secret"))
    told = shell.kubectl("get", "secret", "modelrollout-alerts", "-n", "modelrollout", "-o", "jsonpath={.data.token}")
    assert len(told) == 88, "32 bytes in hexadecimal digits, in base64"


def test_a_model_of_the_registry_is_applied(shell: Shell) -> None:
    shell.kubectl("create", "namespace", "clinic")
    printed(shell, *commands("docs/registry.md", "kubectl create configmap", "kubectl apply"))
    made = json.loads(shell.kubectl("get", "mdep", "biopsy", "-n", "clinic", "-o", "json"))
    assert made["spec"]["model"]["follow"] == "Alias"
    source = json.loads(shell.kubectl("get", "configmap", "fetch-model", "-n", "clinic", "-o", "json"))
    assert source["data"] == {"fetch.py": (ROOT / "demo" / "registry" / "fetch.py").read_text()}


class TestAdopting:
    @pytest.fixture
    def search(self, people: Kubectl, tmp_path: Path) -> Shell:
        """`search/scorer` serves without us."""
        people.apply(HTTP_ROUTE)
        people("wait", "--for=condition=Established", "--timeout=30s", "crd", HTTP_ROUTE["metadata"]["name"])  # type: ignore[index]
        if people.attempt("get", "namespace", "search").returncode != 0:
            people("create", "namespace", "search")
        kubectl = replace(people, namespace="search")
        for body in serving("scorer"):
            kubectl.apply(body)
        return Shell(kubectl, tmp_path, folder=tmp_path)

    def test_the_manifest_that_is_written_is_taken(self, search: Shell, tmp_path: Path) -> None:
        printed(search, command("docs/adopting.md", "kubectl model adopt"))
        made = yaml.safe_load((tmp_path / "scorer-model.yaml").read_text())
        assert (made["kind"], made["metadata"]["name"]) == ("ModelDeployment", "scorer-model")
        search.kubectl("apply", "--dry-run=server", "-f", tmp_path / "scorer-model.yaml")

    def test_and_given_back(self, search: Shell, tmp_path: Path) -> None:
        for kind in ("httproute", "service", "deployment"):
            search.kubectl("delete", kind, "scorer")
        rollouts.put(search.kubectl, SCORER)
        printed(search, command("docs/adopting.md", "kubectl model release"))
        rollouts.remove(search.kubectl, "scorer-model")
        made = list(yaml.safe_load_all((tmp_path / "scorer.yaml").read_text()))
        assert [(one["kind"], one["metadata"]["name"]) for one in made] == [
            ("Deployment", "scorer"),
            ("Service", "scorer"),
            ("HTTPRoute", "scorer"),
        ]
        search.kubectl("apply", "--dry-run=server", "-f", tmp_path / "scorer.yaml")


def serving(name: str) -> list[dict[str, object]]:
    labels, metadata = {"app": name}, {"name": name}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": "mlserver/scorer:3"}]}}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pods},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": metadata,
            "spec": {
                "parentRefs": [{"name": "public", "namespace": "gateways"}],
                "hostnames": ["scorer.example.com"],
                "rules": [{"backendRefs": [{"name": name, "port": 80}]}],
            },
        },
    ]
