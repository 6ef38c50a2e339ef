"""No route: the ratio of pods behind one Service shares the traffic."""

from __future__ import annotations

from tests.e2e.case import Case
from tests.e2e.manifests import SOAK, manifest

RATIO = {"canary": {"weights": [33, 50], "holdFor": "4s"}}


def test_good_model_without_gateway(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1", route=False))
    given.users_in_the_cluster()

    when.applied(manifest("v2", route=False, stages=[RATIO, SOAK]))

    then.ends("Live", version="v2")
    then.passed_through("Canary", "Soak", "Live")
    then.users_get_only("v2")
    then.pods_are_gone("v1")
    then.users_saw_no_failure()
    seen = case.seen().by_version
    assert seen["v1"] > 0
    assert seen["v2"] > 0


def test_failing_model_without_gateway(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1", route=False))
    given.users_in_the_cluster()
    before = then.pods("v1")

    when.applied(manifest("v3", route=False, stages=[RATIO, SOAK]))

    then.ends("RolledBack", version="v1")
    then.rolled_back_by_evidence("v3", gate="errors")
    then.users_get_only("v1")
    then.pods_are_gone("v3")
    then.users_saw_failures(at_most=60)
    assert then.pods("v1") == before
