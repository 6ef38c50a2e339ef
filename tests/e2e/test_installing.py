"""Installed, upgraded and removed while a rollout is under way, by Helm and by Kustomize."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from demo.kubectl import fetch, kubectl
from tests.chart.rendering import kustomize
from tests.e2e import installed, release
from tests.e2e.case import Case, World
from tests.e2e.evidence import growths, nothing_is_counted_twice, nothing_is_lost
from tests.e2e.manifests import LONG_CANARY, SOAK, manifest
from tests.e2e.then import Then

pytestmark = pytest.mark.alone

THREE_STEPS = {"canary": {"weights": [20, 40, 60], "holdFor": "25s"}}


@pytest.fixture
def put_back() -> Iterator[None]:
    """The other tests find the installation that they know."""
    yield
    release.put_back()


@pytest.mark.usefixtures("put_back")
def test_helm_takes_over_and_upgrades_in_the_middle_of_a_canary(case: Case) -> None:
    """Twice new pods of the operator, with other arguments: one rollout, and all of its evidence."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")
    when.applied(manifest("v2", stages=[THREE_STEPS, SOAK]))
    then.comes_to("the first step", lambda found: found["status"]["weight"] == 20)

    release.install()
    assert then.pods("v1") == before
    then.comes_to("the second step", lambda found: found["status"]["weight"] == 40)
    release.upgrade("--set=workers=4", "--set=podDisruptionBudget.enabled=false")

    then.ends("Live", version="v2")
    then.passed_through("Canary", "Soak", "Live")
    then.weights_only_grew()
    then.users_saw_no_failure()
    _evidence_is_whole(case, then)
    (args,) = {tuple(pod["spec"]["containers"][0]["args"]) for pod in installed.pods()}
    assert "--workers=4" in args


@pytest.mark.usefixtures("put_back")
def test_kustomize_upgrades_in_the_middle_of_a_canary(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[THREE_STEPS, SOAK]))
    then.comes_to("the first step", lambda found: found["status"]["weight"] == 20)
    earlier = {pod["metadata"]["name"] for pod in installed.pods()}

    with TemporaryDirectory() as folder:
        kustomize(Path(folder), "ha", extra={"patches": [_argument("--workers=4")]})
        kubectl("apply", "--server-side", "-k", folder)
    kubectl("-n", installed.NAMESPACE, "rollout", "status", "deployment/modelrollout", "--timeout=150s", timeout=160)

    assert not earlier & {pod["metadata"]["name"] for pod in installed.pods() if _runs(pod)}
    then.ends("Live", version="v2")
    then.passed_through("Canary", "Soak", "Live")
    then.weights_only_grew()
    then.users_saw_no_failure()
    _evidence_is_whole(case, then)
    kubectl("delete", "poddisruptionbudget", "modelrollout", "-n", installed.NAMESPACE)


@pytest.mark.usefixtures("put_back")
def test_nothing_waits_for_an_operator_that_is_gone(case: Case) -> None:
    """Users are served on as they were, and whatever is deleted goes."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[LONG_CANARY]))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)
    release.install()

    release.uninstall()

    assert fetch("crd", "modeldeployments.modelrollout.dev") is not None
    for kind in ("modeldeployments", "modelrevisions", "deployments", "services", "httproutes"):
        for one in case.fetch(kind)["items"]:
            assert "finalizers" not in one["metadata"], one["metadata"]
    for kind in ("deployments", "clusterroles", "validatingadmissionpolicies"):
        assert "modelrollout" not in _names(kind, "-l", "app.kubernetes.io/instance=modelrollout")
    then.users_saw_no_failure()
    when.deleted()
    then.nothing_is_left()
    then.namespace_ends()


def test_policies_are_typed(world: World) -> None:
    """The cluster's own check of their expressions against the schemas of what they look at."""
    policies = json.loads(kubectl("get", "validatingadmissionpolicies", "-o", "json"))["items"]
    ours = {one["metadata"]["name"]: one for one in policies if one["metadata"]["name"].startswith("modelrollout-")}
    assert ours.keys() == {"modelrollout-actions", "modelrollout-confinement"}
    for name, policy in ours.items():
        assert policy["status"]["observedGeneration"] == policy["metadata"]["generation"]
        assert not policy["status"].get("typeChecking", {}).get("expressionWarnings"), name


def _evidence_is_whole(case: Case, then: Then) -> None:
    grown = list(growths(case, candidate="v2", stable="v1"))
    case.note("; ".join(str(growth) for growth in grown))
    nothing_is_counted_twice(grown)
    nothing_is_lost(grown)


def _argument(text: str) -> dict[str, object]:
    operation = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": text}]
    return {"target": {"kind": "Deployment", "name": "^modelrollout$"}, "patch": json.dumps(operation)}


def _runs(pod: dict[str, object]) -> bool:
    metadata = pod["metadata"]
    assert isinstance(metadata, dict)
    return "deletionTimestamp" not in metadata


def _names(*arguments: str) -> str:
    return kubectl("get", *arguments, "-A", "-o", "name")
