"""The objects that a plan wants, as the API server gets them."""

import copy
import json
from typing import Any

import pytest

from modelrollout.api.modeldeployment import MAX_NAME_LENGTH, ModelDeploymentSpec
from modelrollout.api.modelrevision import ModelRevision, ModelRevisionSpec
from modelrollout.api.revision import child_name, digest
from modelrollout.children import (
    Owner,
    entry_manifest,
    revision_manifest,
    route_manifest,
    service_manifest,
    workload_manifest,
)
from modelrollout.plan.observation import Backend, RouteView
from tests.builders import id_of, revision_spec, route, selector, spec

OWNER = Owner(namespace="payments", name="fraud", uid="5a3c")
V1, V2 = spec("1"), spec("2", port=9090)
ID = id_of(V2)

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"team": "risk"}, "annotations": {"prometheus.io/scrape": "true"}},
    "spec": {
        "serviceAccountName": "fraud",
        "containers": [
            {"name": "server", "image": "fraud:2", "env": [{"name": "B", "value": "1"}, {"name": "A", "value": "2"}]},
            {"name": "proxy", "image": "proxy:1"},
        ],
        "priorityClassName": "high",
    },
}
TEMPLATED = spec("2", template=TEMPLATE)

ALL = {
    "revision": revision_manifest(OWNER, V2),
    "workload": workload_manifest(OWNER, revision_spec(V2), replicas=3),
    "service": service_manifest(OWNER, revision_spec(V2)),
    "entry": entry_manifest(OWNER, selector=selector(ID), port=8080),
    "route": route_manifest(OWNER, route(V1, V2, weight=25)),
}
OF_ONE_REVISION = {kind: ALL[kind] for kind in ("revision", "workload", "service")}
SHARED = {kind: ALL[kind] for kind in ("entry", "route")}


@pytest.mark.parametrize("manifest", ALL.values(), ids=ALL.keys())
def test_every_child_belongs_to_its_deployment_and_goes_with_it(manifest: dict[str, Any]) -> None:
    assert manifest["metadata"]["namespace"] == "payments"
    assert manifest["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "modelrollout.dev/v1alpha1",
            "kind": "ModelDeployment",
            "name": "fraud",
            "uid": "5a3c",
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]


@pytest.mark.parametrize("manifest", ALL.values(), ids=ALL.keys())
def test_every_child_says_whose_it_is_and_who_manages_it(manifest: dict[str, Any]) -> None:
    labels = manifest["metadata"]["labels"]

    assert labels["modelrollout.dev/name"] == "fraud"
    assert labels["app.kubernetes.io/managed-by"] == "modelrollout"


@pytest.mark.parametrize("manifest", ALL.values(), ids=ALL.keys())
def test_no_child_has_a_role_a_status_or_a_finalizer(manifest: dict[str, Any]) -> None:
    """A role changes while pods live; and nothing must keep a namespace from ending."""
    written = json.dumps(manifest).lower()

    assert "stable" not in written
    assert "candidate" not in written
    assert "finalizers" not in manifest["metadata"]
    assert "status" not in manifest


@pytest.mark.parametrize("manifest", OF_ONE_REVISION.values(), ids=OF_ONE_REVISION.keys())
def test_children_of_one_revision_are_named_after_it(manifest: dict[str, Any]) -> None:
    assert manifest["metadata"]["name"] == f"fraud-{ID}"
    assert manifest["metadata"]["labels"]["modelrollout.dev/revision"] == ID


@pytest.mark.parametrize("manifest", SHARED.values(), ids=SHARED.keys())
def test_children_of_the_deployment_have_its_own_name(manifest: dict[str, Any]) -> None:
    assert manifest["metadata"]["name"] == "fraud"
    assert "modelrollout.dev/revision" not in manifest["metadata"]["labels"]


def test_a_revision_is_the_content_of_the_spec_and_the_api_type_reads_it() -> None:
    manifest = ALL["revision"]

    read = ModelRevision.read(manifest).spec

    assert read == revision_spec(V2)
    assert read.digest == digest(V2.model, V2.serving)
    assert (read.deployment, read.model.version, read.serving.port) == ("fraud", V2.model.version, 9090)


def test_a_revision_holds_nothing_that_is_no_content() -> None:
    other = spec("2", port=9090, replicas=7, route=False, max_duration="4h", stages=())

    assert revision_manifest(OWNER, other) == ALL["revision"]
    assert "replicas" not in json.dumps(ALL["revision"])


def test_the_workload_selects_the_pods_of_its_revision_alone() -> None:
    ours = {"modelrollout.dev/name": "fraud", "modelrollout.dev/revision": ID}

    assert ALL["workload"]["spec"]["selector"] == {"matchLabels": ours}
    assert ours.items() <= ALL["workload"]["spec"]["template"]["metadata"]["labels"].items()


def test_the_selector_never_changes_while_the_revision_lives() -> None:
    """It cannot be changed on a Deployment, so nothing that people may edit must be in it."""
    selectors = [
        workload_manifest(OWNER, revision_spec(edited), replicas=edited.serving.replicas)["spec"]["selector"]
        for edited in (V2, spec("2", port=9090, replicas=9), spec("2", port=9090, stages=()))
    ]

    assert selectors[0] == selectors[1] == selectors[2]


def test_the_user_s_template_is_left_as_it_is_but_for_two_labels() -> None:
    template = workload_manifest(OWNER, revision_spec(TEMPLATED), replicas=1)["spec"]["template"]

    labels = template["metadata"]["labels"]
    assert labels.pop("modelrollout.dev/name") == "fraud"
    assert labels.pop("modelrollout.dev/revision") == id_of(TEMPLATED)
    assert template == TEMPLATE
    assert json.dumps(template["spec"]) == json.dumps(TEMPLATE["spec"]), "not even reordered"


@pytest.mark.parametrize("metadata", [None, {}, {"labels": None}, {"annotations": {"a": "b"}}])
def test_a_template_may_have_no_labels(metadata: dict[str, Any] | None) -> None:
    bare = {"spec": {"containers": [{"name": "server"}]}}
    of = spec("2", template=bare if metadata is None else {**bare, "metadata": metadata})

    template = workload_manifest(OWNER, revision_spec(of), replicas=1)["spec"]["template"]

    assert template["metadata"]["labels"] == {
        "modelrollout.dev/name": "fraud",
        "modelrollout.dev/revision": id_of(of),
    }
    assert template["metadata"].get("annotations") == (metadata or {}).get("annotations")


def test_building_a_workload_does_not_touch_the_revision_that_it_is_built_from() -> None:
    revision = revision_spec(TEMPLATED)
    before = copy.deepcopy(revision.serving.template)

    workload_manifest(OWNER, revision, replicas=1)

    assert revision.serving.template == before


@pytest.mark.parametrize("replicas", [0, 1, 500])
def test_the_workload_has_the_replicas_that_were_asked_for(replicas: int) -> None:
    assert workload_manifest(OWNER, revision_spec(V2), replicas=replicas)["spec"]["replicas"] == replicas


def test_a_revision_s_service_carries_its_own_port_to_its_own_pods() -> None:
    assert ALL["service"]["spec"] == {
        "selector": {"modelrollout.dev/name": "fraud", "modelrollout.dev/revision": ID},
        "ports": [{"name": "http", "port": 9090, "targetPort": 9090, "protocol": "TCP"}],
    }


@pytest.mark.parametrize("chosen", [selector(), selector(ID)], ids=["both", "one"])
def test_the_deployment_s_service_has_the_selector_that_was_asked_for(chosen: dict[str, str]) -> None:
    assert entry_manifest(OWNER, selector=chosen, port=8080)["spec"]["selector"] == chosen


def test_the_route_has_a_weight_and_a_port_for_each_backend() -> None:
    (rule,) = ALL["route"]["spec"]["rules"]

    assert rule == {
        "backendRefs": [
            {"name": f"fraud-{id_of(V1)}", "port": 8080, "weight": 75},
            {"name": f"fraud-{ID}", "port": 9090, "weight": 25},
        ]
    }


def test_the_mirror_copies_every_request_to_the_candidate_s_own_port() -> None:
    """A `percent` would be ignored by some gateways, and what they copy would not be what we think."""
    (rule,) = route_manifest(OWNER, route(V1, V2, mirror=True))["spec"]["rules"]

    assert rule["filters"] == [
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": f"fraud-{ID}", "port": 9090}}}
    ]
    assert [backend["weight"] for backend in rule["backendRefs"]] == [100, 0]
    assert "percent" not in json.dumps(rule)


def test_a_route_without_a_mirror_has_no_filters() -> None:
    assert "filters" not in ALL["route"]["spec"]["rules"][0]


def test_the_route_attaches_to_the_gateways_and_host_names_of_the_spec() -> None:
    assert ALL["route"]["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert ALL["route"]["spec"]["hostnames"] == ["fraud.example.com"]


def test_what_the_spec_leaves_out_of_a_parent_is_left_out_of_the_route() -> None:
    view = RouteView(
        backends=(Backend(service="fraud-1", port=1, weight=100),),
        mirror=None,
        parents=(("public", None, None), ("inner", "gateways", "https")),
        hostnames=(),
    )

    manifest = route_manifest(OWNER, view)["spec"]

    assert manifest["parentRefs"] == [
        {"name": "public"},
        {"name": "inner", "namespace": "gateways", "sectionName": "https"},
    ]
    assert "hostnames" not in manifest


def longest(of: ModelDeploymentSpec) -> tuple[Owner, ModelRevisionSpec]:
    owner = Owner(namespace="payments", name="f" * MAX_NAME_LENGTH, uid="5a3c")
    return owner, revision_spec(of, deployment=owner.name)


def test_names_and_labels_of_the_longest_deployment_fit() -> None:
    """Labels and names of Services end at 63. Of a pod's name the API server keeps 58 characters before the random end,
    so the part that tells whose pod it is must be shorter."""
    owner, revision = longest(V2)
    name = child_name(owner.name, id_of(V2))

    assert MAX_NAME_LENGTH == 40
    assert len(f"{name}-") <= 58
    for manifest in (
        revision_manifest(owner, V2),
        workload_manifest(owner, revision, replicas=1),
        service_manifest(owner, revision),
        entry_manifest(owner, selector=owner.labels(None), port=8080),
    ):
        assert len(manifest["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in manifest["metadata"]["labels"].values())
    ModelRevision.read(revision_manifest(owner, V2))
