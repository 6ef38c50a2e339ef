"""The observer's objects: as little as there is, and no part in anybody's requests."""

from typing import Any

import pytest

from modelrollout.api.group import LABEL_NAME, LABEL_REVISION
from modelrollout.api.observer import METRICS_PORT, REQUEST_PORT, SETTINGS_FILE
from modelrollout.children import Owner, observer_belongings, observer_workload
from modelrollout.plan.actions import ApplyObserver

OWNER = Owner(namespace="payments", name="fraud", uid="5a3c")
WANTED = ApplyObserver(
    settings='{"deployment":"fraud"}', digest="d1", image="observer:7", revisions=("aaa", "bbb"), ports=(8080, 9000)
)
WORKLOAD = observer_workload(OWNER, WANTED)
POLICY, CONFIG, SERVICE = observer_belongings(OWNER, WANTED, uid="77")
POD: dict[str, Any] = WORKLOAD["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.mark.parametrize("manifest", [WORKLOAD, POLICY, CONFIG, SERVICE], ids=lambda manifest: str(manifest["kind"]))
def test_all_have_one_name_and_are_known_as_the_deployment_s(manifest: dict[str, Any]) -> None:
    assert manifest["metadata"]["name"] == "fraud-observer"
    assert manifest["metadata"]["labels"][LABEL_NAME] == "fraud"
    assert LABEL_REVISION not in manifest["metadata"]["labels"]


def test_settings_and_network_policy_go_with_the_workload_and_that_with_the_deployment() -> None:
    assert [reference["uid"] for reference in WORKLOAD["metadata"]["ownerReferences"]] == ["5a3c"]
    for manifest in (POLICY, CONFIG):
        assert manifest["metadata"]["ownerReferences"] == [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud-observer", "uid": "77"}
        ]


def test_the_service_comes_last_because_it_says_that_all_is_there() -> None:
    assert SERVICE["metadata"]["annotations"] == {"modelrollout.dev/settings": "d1"}
    assert SERVICE["spec"]["ports"][0]["port"] == REQUEST_PORT


def test_its_pod_is_of_no_revision_so_that_no_request_of_users_gets_there() -> None:
    labels = WORKLOAD["spec"]["template"]["metadata"]["labels"]
    assert LABEL_REVISION not in labels
    assert SERVICE["spec"]["selector"].items() <= labels.items()


def test_its_pod_is_restricted_and_small() -> None:
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert CONTAINER["resources"]["limits"]["memory"] == "192Mi"
    assert WORKLOAD["spec"]["replicas"] == 1


def test_it_reads_its_settings_from_the_file_that_the_config_map_holds() -> None:
    assert CONFIG["data"] == {SETTINGS_FILE: WANTED.settings}
    assert POD["volumes"][0]["configMap"]["name"] == CONFIG["metadata"]["name"]
    assert CONTAINER["args"] == ["--settings", "/etc/modelrollout/observer.json"]
    assert CONTAINER["volumeMounts"] == [{"name": "settings", "mountPath": "/etc/modelrollout", "readOnly": True}]


def test_other_revisions_start_another_pod() -> None:
    other = ApplyObserver(settings="{}", digest="d2", image="observer:7", revisions=("aaa", "ccc"), ports=(8080,))
    assert observer_workload(OWNER, other)["spec"]["template"] != WORKLOAD["spec"]["template"]
    same = ApplyObserver(settings="{}", digest="d2", image="observer:7", revisions=("aaa", "bbb"), ports=(8080,))
    assert observer_workload(OWNER, same) == WORKLOAD, "what changes in the file is read from it"


def test_it_may_reach_the_two_revisions_and_the_name_server_and_be_reached_at_its_ports() -> None:
    spec = POLICY["spec"]
    assert spec["podSelector"]["matchLabels"].items() <= WORKLOAD["spec"]["template"]["metadata"]["labels"].items()
    models, dns = spec["egress"]
    (peer,) = models["to"]
    assert peer["podSelector"]["matchExpressions"][0]["values"] == ["aaa", "bbb"]
    assert "namespaceSelector" not in peer
    assert [port["port"] for port in models["ports"]] == [8080, 9000]
    assert {port["port"] for port in dns["ports"]} == {53}
    (ingress,) = spec["ingress"]
    assert [port["port"] for port in ingress["ports"]] == [REQUEST_PORT, METRICS_PORT]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
