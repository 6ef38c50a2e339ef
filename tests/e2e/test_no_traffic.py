"""A quiet service: nothing is known, so nothing is decided."""

from __future__ import annotations

from tests.e2e.case import Case
from tests.e2e.manifests import CANARY, SHADOW, SOAK, manifest
from tests.e2e.then import condition


def test_no_traffic(case: Case) -> None:
    """It holds; when its time is over it is paused, not promoted and not rolled back."""
    given, when, then = case.steps()
    given.live(manifest("v1"))

    when.applied(manifest("v2", stages=[CANARY, SOAK], max_duration="40s"))

    then.comes_to("it holds for want of data", lambda found: condition(found, "Ready")["reason"] == "NoData")
    found = then.ends("Paused", version="v1")
    assert condition(found, "Paused")["reason"] == "Inconclusive"
    then.passed_through("Canary")
    told = condition(found, "Paused")["message"]
    given.users()
    then.stays(
        "paused at the first weight, for the reason that was given, though there is traffic now",
        lambda later: (later["status"]["weight"], condition(later, "Ready")["message"]) == (25, told),
        seconds=6,
    )
    assert condition(found, "RolledBack")["status"] == "False"
    then.events_are("Installed", "RolloutStarted", "WeightIncreased", "Inconclusive")


def test_no_traffic_in_shadow(case: Case) -> None:
    """Without requests there is nothing to copy; the first ones let it go on."""
    given, when, then = case.steps()
    given.live(manifest("v1"))

    when.applied(manifest("v2", stages=[SHADOW, SOAK]))

    then.comes_to("it holds for want of data", lambda found: condition(found, "Ready")["reason"] == "NoData")
    then.stays("shadow", lambda found: found["status"]["stage"] == "Shadow", seconds=6)
    given.users()
    then.ends("Live", version="v2")
    then.users_saw_no_failure()
