"""Everything that the chart and the manifests render, as a real API server takes it: each field, without a warning."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import apiserver, monitoring_operator, settings
from tests.apiserver import kinds
from tests.apiserver.kubectl import Kubectl
from tests.chart.rendering import Object, Values, kustomize, template

ON = {"enabled": True}
MONITORED = {
    "scope": "Namespace",
    "monitoring": {"serviceMonitor": ON, "prometheusRule": ON, "observers": ON, "dataRules": ON, "dashboards": ON},
    "networkPolicy": {
        "enabled": True,
        "apiServer": {"cidrs": ["10.0.0.1/32"]},
        "extraEgress": [{"ports": [{"port": 5000}]}],
        "extraIngress": [{"ports": [{"port": 9000}]}],
    },
}
SCRAPED_BY_POD = {"monitoring": {"podMonitor": ON}}
DRESSED = {
    "fullnameOverride": "other",
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
}
CHARTS: dict[str, Values] = {
    "defaults": {},
    "monitored": MONITORED,
    "scraped by pod": SCRAPED_BY_POD,
    "dressed": DRESSED,
}
COMPONENTS = {
    "base": (),
    "all": ("ha", "monitoring", "network-policy", "samples"),
    "namespaced": ("namespaced",),
}


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """A server of its own, in which nothing of ours is but the definitions, and those of the Prometheus operator."""
    with apiserver.running() as server:
        admin = Kubectl(server.kubectl, server.kubeconfig(), server.folder / "kubectl-cache")
        kinds.install(admin)
        admin("apply", "--server-side", f"--filename={monitoring_operator.definitions(settings.load())}")
        admin("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        admin("create", "namespace", "modelrollout")
        # Whatever is not restricted is a warning then, and no warning passes.
        admin("label", "namespace", "modelrollout", "default", "pod-security.kubernetes.io/warn=restricted")
        yield admin


@pytest.mark.parametrize("chosen", CHARTS)
def test_chart_is_taken(kubectl: Kubectl, chosen: str) -> None:
    _is_taken(kubectl, template(CHARTS[chosen]))


@pytest.mark.parametrize("chosen", COMPONENTS)
def test_manifests_are_taken(kubectl: Kubectl, chosen: str, tmp_path: Path) -> None:
    _is_taken(kubectl, kustomize(tmp_path, *COMPONENTS[chosen]))


def test_no_kind_is_left_out(tmp_path: Path) -> None:
    """What is rendered somewhere is among what is tried here."""
    tried = [one for values in CHARTS.values() for one in template(values)]
    for number, components in enumerate(COMPONENTS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        tried += kustomize(folder, *components)
    assert {one["kind"] for one in tried} == {
        *("ClusterRole", "ClusterRoleBinding", "ConfigMap", "CustomResourceDefinition", "Deployment", "GateTemplate"),
        *("ModelDeployment", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "PrometheusRule"),
        *("Role", "RoleBinding", "Service", "ServiceAccount", "ServiceMonitor"),
        *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    }


def _is_taken(kubectl: Kubectl, rendered: list[Object]) -> None:
    by_namespace = defaultdict(list)
    for one in rendered:
        by_namespace[one["metadata"].get("namespace", "modelrollout")].append(one)
    for namespace, items in by_namespace.items():
        feed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        options = ("--dry-run=server", "--server-side", "--validate=strict")
        done = replace(kubectl, namespace=namespace).attempt("apply", *options, "-f", "-", stdin=feed)
        assert done.stderr == ""
        assert len(done.stdout.splitlines()) == len(items)
