"""Objects as an API server and a kubelet write them, and the few fields that are kept of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from modelrollout.api.group import LABEL_NAME, LABEL_REVISION
from modelrollout.api.modelrevision import RevisionState
from modelrollout.children import Owner, entry_manifest, revision_manifest, route_manifest, service_manifest
from modelrollout.plan.observation import Backend, RouteView, ServiceView, Trouble, WorkloadView
from modelrollout.runtime import projections
from tests.builders import NAME, NAMESPACE, id_of, revision_spec, route, selector, spec
from tests.faults.world import manifest

V1, V2 = spec("1"), spec("2")
OWNER = Owner(namespace=NAMESPACE, name=NAME, uid="1")


def pod(*, deleted: bool = False, **status: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "fraud-0123456789-7d9x-abcde", "namespace": NAMESPACE}
    metadata["labels"] = {LABEL_NAME: NAME, LABEL_REVISION: "0123456789"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    return {"metadata": metadata, "status": status}


def container(*, restarts: int = 0, name: str = "server", **states: Any) -> dict[str, Any]:
    return {"name": name, "restartCount": restarts, **states}


def waiting(reason: str, message: str | None = None) -> dict[str, Any]:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def ended(reason: str, code: int) -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code}}


BACK_OFF = waiting("CrashLoopBackOff", "back-off 40s restarting failed container=server")
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient cpu.",
}


@pytest.mark.parametrize(
    ("status", "trouble", "part_of_message"),
    [
        ({}, None, ""),
        ({"containerStatuses": [container(state={"running": {}})]}, None, ""),
        ({"containerStatuses": [container(state=waiting("ContainerCreating"))]}, None, ""),
        ({"containerStatuses": [container(state=waiting("PodInitializing"))]}, None, ""),
        (
            {"containerStatuses": [container(restarts=1, state=BACK_OFF, lastState=ended("Error", 1))]},
            None,
            "",
        ),
        (
            {"containerStatuses": [container(restarts=2, state=BACK_OFF, lastState=ended("Error", 3))]},
            Trouble.CRASH_LOOP,
            "ended 2 times, last with exit code 3",
        ),
        (
            {"containerStatuses": [container(restarts=2, state={"running": {}}, lastState=ended("Error", 3))]},
            None,
            "",
        ),
        (
            {"containerStatuses": [container(restarts=2, state={"running": {}}, lastState=ended("OOMKilled", 137))]},
            Trouble.OUT_OF_MEMORY,
            "killed 2 times",
        ),
        (
            {"containerStatuses": [container(restarts=4, state=BACK_OFF, lastState=ended("OOMKilled", 137))]},
            Trouble.OUT_OF_MEMORY,
            "killed 4 times",
        ),
        (
            {"containerStatuses": [container(restarts=1, state=BACK_OFF, lastState=ended("OOMKilled", 137))]},
            None,
            "",
        ),
        (
            {"containerStatuses": [container(state=waiting("ErrImagePull", "manifest unknown"))]},
            Trouble.IMAGE_PULL,
            "container server: ErrImagePull: manifest unknown",
        ),
        (
            {"containerStatuses": [container(state=waiting("ImagePullBackOff"))]},
            Trouble.IMAGE_PULL,
            "ImagePullBackOff: no message",
        ),
        ({"containerStatuses": [container(state=waiting("InvalidImageName", "x"))]}, Trouble.IMAGE_PULL, "Invalid"),
        (
            {"containerStatuses": [container(state=waiting("CreateContainerConfigError", 'configmap "a" not found'))]},
            Trouble.CONFIG,
            'configmap "a" not found',
        ),
        (
            {
                "initContainerStatuses": [
                    container(name="fetch", restarts=5, state=BACK_OFF, lastState=ended("Error", 1))
                ],
                "containerStatuses": [container(state=waiting("PodInitializing"))],
            },
            Trouble.CRASH_LOOP,
            "container fetch ended 5 times",
        ),
        ({"conditions": [UNSCHEDULABLE]}, Trouble.UNSCHEDULABLE, "3 Insufficient cpu"),
        ({"conditions": [{**UNSCHEDULABLE, "reason": "SchedulerError"}]}, None, ""),
    ],
)
def test_a_pods_trouble_is_told_from_its_status(
    status: dict[str, Any], trouble: Trouble | None, part_of_message: str
) -> None:
    view = projections.pod(pod(**status))
    assert view.trouble is trouble
    assert part_of_message in view.message


def test_a_pod_that_is_going_is_neither_ready_nor_in_trouble() -> None:
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T11:00:00Z"}]
    crashed = [container(restarts=9, state=BACK_OFF, lastState=ended("Error", 1))]
    view = projections.pod(pod(deleted=True, conditions=ready, containerStatuses=crashed))
    assert (view.ready_since, view.trouble) == (None, None)


@pytest.mark.parametrize(
    ("conditions", "since"),
    [
        ([], None),
        ([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-24T11:00:00Z"}], None),
        ([{"type": "ContainersReady", "status": "True", "lastTransitionTime": "2026-11-24T11:00:00Z"}], None),
        (
            [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T11:00:00Z"}],
            datetime(2026, 11, 24, 11, tzinfo=UTC),
        ),
        ([{"type": "Ready", "status": "True", "lastTransitionTime": None}], None),
    ],
)
def test_a_pod_is_ready_since_its_condition_changed(conditions: list[dict[str, Any]], since: datetime | None) -> None:
    assert projections.pod(pod(conditions=conditions)).ready_since == since


@pytest.mark.parametrize(
    ("replicas", "status", "view"),
    [
        (3, {"readyReplicas": 2}, WorkloadView(replicas=3, ready=2)),
        (3, {}, WorkloadView(replicas=3, ready=0)),
        (1, {"readyReplicas": 3}, WorkloadView(replicas=1, ready=1)),
        (0, {"readyReplicas": 3}, WorkloadView(replicas=0, ready=0)),
    ],
)
def test_no_more_pods_are_ready_than_are_asked_for(replicas: int, status: dict[str, int], view: WorkloadView) -> None:
    assert projections.workload({"spec": {"replicas": replicas}, "status": status}) == view


ROUTES = [
    route(V1),
    route(V1, V2, weight=10),
    route(V1, V2, mirror=True),
    replace(route(V1, V2, weight=50), hostnames=()),
    replace(route(V1), parents=(("a", None, None), ("b", "gateways", "https"))),
    RouteView(backends=(Backend(service="x", port=1, weight=0),), mirror=None, parents=(), hostnames=("a", "b")),
]


@pytest.mark.parametrize("wish", ROUTES)
def test_a_route_reads_as_it_was_wished_for(wish: RouteView) -> None:
    assert projections.route(route_manifest(OWNER, wish)) == wish


@pytest.mark.parametrize("wish", ROUTES)
def test_what_the_api_server_adds_to_a_route_makes_no_difference(wish: RouteView) -> None:
    body = route_manifest(OWNER, wish)
    for ref in body["spec"]["parentRefs"]:
        ref |= {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    rule = body["spec"]["rules"][0]
    rule["matches"] = [{"path": {"type": "PathPrefix", "value": "/"}}]
    mirrors = [one["requestMirror"]["backendRef"] for one in rule.get("filters", [])]
    for backend in [*rule["backendRefs"], *mirrors]:
        backend |= {"group": "", "kind": "Service"}
    body["status"] = {"parents": []}
    assert projections.route(body) == wish


@pytest.mark.parametrize("rules", [[], [{"backendRefs": []}, {"backendRefs": []}]])
def test_a_route_of_another_shape_is_none_of_ours(rules: list[Any]) -> None:
    assert projections.route({"spec": {"parentRefs": [], "rules": rules}}) is None


def test_a_rule_that_somebody_added_to_the_route_is_a_difference() -> None:
    body = route_manifest(OWNER, route(V1, V2, weight=10))
    body["spec"]["rules"][0]["filters"] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {}}]
    assert projections.route(body) == route(V1, V2, weight=10), "filters of others are left alone"
    body["spec"]["rules"][0]["backendRefs"][0]["weight"] = 70
    assert projections.route(body) != route(V1, V2, weight=10)


def test_services_read_as_they_were_wished_for() -> None:
    of = revision_spec(V1)
    assert projections.service(service_manifest(OWNER, of)) == ServiceView(selector=selector(id_of(V1)), port=8080)
    entry = entry_manifest(OWNER, selector=selector(), port=9000)
    assert projections.service(entry) == ServiceView(selector=selector(), port=9000)


def test_a_service_without_selector_or_ports_differs_from_every_wish() -> None:
    assert projections.service({"metadata": {}, "spec": {}}) == ServiceView(selector={}, port=0)


def test_a_revision_keeps_its_content_and_its_state() -> None:
    body = revision_manifest(OWNER, V2)
    body["metadata"]["resourceVersion"] = "7"
    body["status"] = {"state": "Canary"}
    revision = projections.revision(body)
    assert revision is not None
    assert (revision.id, revision.name, revision.resource_version) == (id_of(V2), f"{NAME}-{id_of(V2)}", "7")
    spec, status = revision.read()
    assert (spec, status.state) == (revision_spec(V2), RevisionState.CANARY)


@pytest.mark.parametrize("broken", [{"spec": {"deployment": NAME}}, {"status": {"state": "Nonsense"}}])
def test_a_revision_that_cannot_be_read_is_none(broken: dict[str, Any]) -> None:
    body = {**revision_manifest(OWNER, V2), **broken}
    body["metadata"]["resourceVersion"] = "7"
    assert projections.revision(body) is None


def stored(**changes: Any) -> dict[str, Any]:
    body = manifest(V2)
    body["metadata"] |= {"uid": "1", "generation": 4, "resourceVersion": "9"}
    return {**body, **changes}


def test_a_deployment_keeps_what_its_spec_asks_for() -> None:
    deployment = projections.deployment(stored())
    assert (deployment.spec, deployment.generation) == (V2, 4)
    assert deployment.unreadable is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"spec": {}}, "model: Field required; serving: Field required"),
        ({"spec": None}, "spec: "),
        ({"status": {"weight": 101}}, "its status: weight: "),
    ],
)
def test_an_object_that_cannot_be_read_says_which_field_is_wrong(changes: dict[str, Any], sentence: str) -> None:
    deployment = projections.deployment(stored(**changes))
    assert deployment.spec is None
    assert deployment.unreadable is not None
    assert deployment.unreadable.startswith(sentence)


def test_children_belong_to_the_deployment_that_their_label_names() -> None:
    assert projections.parent(pod()) == (NAMESPACE, NAME)
    assert projections.parent({"metadata": {"namespace": "x", "labels": None}}) is None
    assert projections.revision_of({"metadata": {}}) is None
