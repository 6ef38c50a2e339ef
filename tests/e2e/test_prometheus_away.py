"""Prometheus stopped in the middle of a canary: nothing is known, so it holds; then it goes on."""

from __future__ import annotations

import pytest

from tests.e2e import monitoring
from tests.e2e.case import Case
from tests.e2e.evidence import growths, nothing_is_counted_twice, nothing_is_lost
from tests.e2e.history import Object
from tests.e2e.manifests import SHADOW, SOAK, manifest
from tests.e2e.then import condition

pytestmark = pytest.mark.alone

CANARY = {"canary": {"weights": [25], "holdFor": "8s"}}


def test_prometheus_stopped_in_the_middle(case: Case) -> None:
    """What needs no Prometheus goes on without it: another model beside it crash-loops and is rolled back."""
    given, when, then = case.steps()
    given.live(manifest("v1", name="other"))
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[SHADOW, CANARY, SOAK]))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)

    with monitoring.stopped("prometheus"):
        then.comes_to(
            "it holds because nobody can be asked",
            lambda found: condition(found, "Ready")["reason"] == "MetricsUnavailable",
        )
        when.applied(manifest("v5", name="other"))
        then.ends("RolledBack", version="v1", name="other")
        then.stays("neither promoted nor rolled back", _in_canary, seconds=6)

    then.ends("Live", version="v2")
    then.passed_through("Shadow", "Canary", "Soak", "Live")
    then.users_saw_no_failure()
    grown = list(growths(case, candidate="v2", stable="v1"))
    case.note("; ".join(str(growth) for growth in grown))
    nothing_is_counted_twice(grown)
    nothing_is_lost(grown)


def _in_canary(found: Object) -> bool:
    return (found["status"]["stage"], found["status"]["weight"]) == ("Canary", 25)
