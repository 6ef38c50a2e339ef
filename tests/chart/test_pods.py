"""What holds for every pod and policy that an installation brings, whatever is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.rendering import Object, Values, template

CHOICES: dict[str, Values] = {
    "defaults": {},
    "everything": {
        "monitoring": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
        "networkPolicy": {"enabled": True},
        "imagePullSecrets": [{"name": "registry"}],
    },
    "namespaced": {"scope": "Namespace"},
    "one replica": {"replicas": 1},
}


@pytest.fixture(params=CHOICES)
def rendered(request: pytest.FixtureRequest) -> list[Object]:
    return template(CHOICES[request.param])


def pod_specs(rendered: list[Object]) -> Iterator[dict[str, Any]]:
    for one in rendered:
        template = (one.get("spec") or {}).get("template")
        if template is not None:
            yield template["spec"]


def test_pods_are_restricted(rendered: list[Object]) -> None:
    specs = list(pod_specs(rendered))
    assert specs
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all("hostPath" not in volume for volume in spec.get("volumes", []))
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_containers_have_a_version_limits_and_probes(rendered: list[Object]) -> None:
    for spec in pod_specs(rendered):
        assert spec["serviceAccountName"] != "default"
        for container in spec["containers"]:
            _, _, tag = container["image"].rpartition(":")
            assert tag not in ("", "latest")
            assert "/" not in tag
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
            assert {"livenessProbe", "readinessProbe"} <= container.keys()


def test_selectors_choose_the_pods_that_there_are(rendered: list[Object]) -> None:
    (deployment,) = [one for one in rendered if one["kind"] == "Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    chosen = [deployment["spec"]["selector"]["matchLabels"]]
    for one in rendered:
        if one["kind"] == "Service":
            chosen.append(one["spec"]["selector"])
            assert one["metadata"]["labels"]["app.kubernetes.io/name"] == "modelrollout"
        if one["kind"] == "PodDisruptionBudget":
            chosen.append(one["spec"]["selector"]["matchLabels"])
        if one["kind"] == "NetworkPolicy":
            chosen.append(one["spec"]["podSelector"]["matchLabels"])
    for selector in chosen:
        assert selector
        assert selector.items() <= labels.items()


def test_no_role_has_a_star(rendered: list[Object]) -> None:
    """Nor a Secret, nor a right to change rights."""
    for one in rendered:
        if one["kind"] in ("Role", "ClusterRole"):
            for rule in one.get("rules") or []:
                words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
                assert not words & {"*", "secrets", "roles", "clusterroles", "escalate", "bind", "impersonate"}


def test_every_object_says_whose_it_is(rendered: list[Object]) -> None:
    for one in rendered:
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "modelrollout"
        assert labels["app.kubernetes.io/part-of"] == "modelrollout"
