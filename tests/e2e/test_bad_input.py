"""What people get wrong is told to them in a sentence, and stops nobody else."""

from __future__ import annotations

from tests.e2e.case import Case
from tests.e2e.manifests import SHADOW, container, manifest
from tests.e2e.then import condition
from tests.kstatus import kstatus


def test_refused_by_apply(case: Case) -> None:
    """Two of many: the corpus in tests/apiserver has each rule."""
    _, when, _ = case.steps()
    no_route = when.refused(manifest("v1", route=False, stages=[SHADOW]))
    assert "rollout.stages: shadow needs a route to copy requests from; set route, or remove shadow" in no_route
    shrinking = when.refused(manifest("v1", stages=[{"canary": {"weights": [50, 5]}}]))
    assert "canary.weights must be strictly growing; put them in order" in shrinking


def test_template_that_the_api_server_refuses(case: Case) -> None:
    """It is stalled with a reason; the one beside it is installed; mending the template mends it."""
    _, when, then = case.steps()
    broken = manifest("v1", name="broken", replicas=1)
    container(broken)["volumeMounts"] = [{"name": "nowhere", "mountPath": "/data"}]
    when.applied(broken)
    stalled = then.comes_to(
        "it is stalled", lambda found: condition(found, "Stalled")["status"] == "True", name="broken"
    )
    told = condition(stalled, "Stalled")
    assert told["reason"] == "InvalidTemplate"
    assert "nowhere" in told["message"]
    assert kstatus(stalled) == "Failed"

    when.applied(manifest("v1", name="sound", replicas=1))
    then.ends("Live", version="v1", name="sound")
    then.events_are("InvalidTemplate", name="broken")

    when.applied(manifest("v1", name="broken", replicas=1))
    then.ends("Live", version="v1", name="broken")


def test_template_that_the_api_server_refuses_in_the_middle(case: Case) -> None:
    """A candidate that cannot even be made leaves the live version as it is."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")
    broken = manifest("v2")
    container(broken)["resources"]["requests"]["cpu"] = "plenty"

    when.applied(broken)

    stalled = then.comes_to("it is stalled", lambda found: condition(found, "Stalled")["status"] == "True")
    assert condition(stalled, "Stalled")["reason"] == "InvalidTemplate"
    assert stalled["status"]["stableVersion"] == "v1"
    then.users_get_only("v1")
    assert then.pods("v1") == before

    when.applied(manifest("v2"))
    then.ends("Live", version="v2")
    then.users_saw_no_failure()
