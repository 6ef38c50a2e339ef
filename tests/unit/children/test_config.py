"""Copies of ConfigMaps: named by content, owned by whoever reads them, and read in place of the original."""

from typing import Any

from modelrollout.api.config import ConfigCopy, RevisionConfig
from modelrollout.api.revision import config_digest, copy_name
from modelrollout.children import Owner, Reader, config_manifest, workload_manifest
from modelrollout.children.config import config_maps_of, reading_copies
from modelrollout.plan.observation import ConfigMapView
from tests.builders import revision_spec, spec

OWNER = Owner(namespace="payments", name="fraud", uid="1")
SETTINGS = ConfigMapView(name="settings", data={"threshold": "0.5"}, binary_data={"table": "AAE="})

TEMPLATE: dict[str, Any] = {
    "spec": {
        "initContainers": [{"name": "warm", "envFrom": [{"configMapRef": {"name": "settings"}}]}],
        "containers": [
            {
                "name": "server",
                "env": [
                    {"name": "T", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "threshold"}}},
                    {"name": "U", "valueFrom": {"configMapKeyRef": {"name": "other", "key": "x"}}},
                    {"name": "settings", "value": "settings"},
                ],
                "volumeMounts": [{"name": "settings", "mountPath": "/settings"}],
            }
        ],
        "volumes": [
            {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "threshold", "path": "t"}]}},
            {"name": "all", "projected": {"sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "s"}}]}},
        ],
    }
}


def test_every_way_to_read_a_config_map_reads_the_copy_and_nothing_else_changes() -> None:
    found = reading_copies(TEMPLATE, {"settings": "copy"})

    server = found["spec"]["containers"][0]
    assert found["spec"]["initContainers"][0]["envFrom"] == [{"configMapRef": {"name": "copy"}}]
    assert server["env"][0]["valueFrom"]["configMapKeyRef"] == {"name": "copy", "key": "threshold"}
    assert server["env"][1:] == TEMPLATE["spec"]["containers"][0]["env"][1:]
    assert server["volumeMounts"] == TEMPLATE["spec"]["containers"][0]["volumeMounts"]
    assert found["spec"]["volumes"] == [
        {"name": "settings", "configMap": {"name": "copy", "items": [{"key": "threshold", "path": "t"}]}},
        {"name": "all", "projected": {"sources": [{"configMap": {"name": "copy"}}, {"secret": {"name": "s"}}]}},
    ]
    assert reading_copies(TEMPLATE, {"unknown": "copy"}) == TEMPLATE


def test_the_config_maps_of_a_template_are_those_that_its_pods_read() -> None:
    assert config_maps_of(TEMPLATE) == {"settings", "other"}


def test_a_copy_is_immutable_and_belongs_to_all_who_read_it() -> None:
    readers = [Reader(name="fraud-2", uid="b"), Reader(name="fraud-1", uid="a")]

    manifest = config_manifest(OWNER, "fraud-config-ab", SETTINGS, readers=readers)

    assert (manifest["immutable"], manifest["data"], manifest["binaryData"]) == (
        True,
        {"threshold": "0.5"},
        {"table": "AAE="},
    )
    assert [(one["kind"], one["uid"]) for one in manifest["metadata"]["ownerReferences"]] == [
        ("ModelRevision", "a"),
        ("ModelRevision", "b"),
    ]
    assert "controller" not in str(manifest["metadata"]["ownerReferences"])


def test_the_same_content_under_another_name_is_another_copy() -> None:
    one = config_digest("settings", SETTINGS.data, SETTINGS.binary_data)

    assert one == config_digest("settings", dict(SETTINGS.data), dict(SETTINGS.binary_data))
    assert one != config_digest("other", SETTINGS.data, SETTINGS.binary_data)
    assert one != config_digest("settings", {"threshold": "0.6"}, SETTINGS.binary_data)
    assert copy_name("fraud", one) == f"fraud-config-{one[:10]}"


def test_pods_of_a_revision_read_its_own_copy() -> None:
    of = spec("1", template=TEMPLATE)
    copy = ConfigCopy(name="settings", digest="ab" * 32, copy_name="fraud-config-ab")
    configured = revision_spec(of).model_copy(update={"config": RevisionConfig(config_maps=(copy,))})

    manifest = workload_manifest(OWNER, configured, replicas=1)

    assert config_maps_of(manifest["spec"]["template"]) == {"fraud-config-ab", "other"}
    assert configured.serving.template == TEMPLATE, "the snapshot stays as the user wrote it"
