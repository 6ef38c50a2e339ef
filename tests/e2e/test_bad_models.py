"""Versions that are worse than the live one come back by themselves."""

from __future__ import annotations

from tests.e2e.case import Case
from tests.e2e.manifests import CANARY, SHADOW, SOAK, manifest
from tests.e2e.then import Then, condition


def test_failing_model_in_shadow(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")

    when.applied(manifest("v3"))

    then.ends("RolledBack", version="v1")
    then.passed_through("Shadow", "Live")
    then.rolled_back_by_evidence("v3", gate="errors")
    then.weight_is_zero("v3")
    then.pods_are_gone("v3")
    then.users_saw_nothing_of("v3")
    then.users_saw_no_failure()
    _live_is_untouched(then, before)


def test_failing_model_in_canary(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")

    when.applied(manifest("v3", stages=[CANARY, SOAK]))

    found = then.ends("RolledBack", version="v1")
    then.passed_through("Canary", "Live")
    record = then.rolled_back_by_evidence("v3", gate="errors")
    assert record["message"] == condition(found, "RolledBack")["message"]
    assert record["weight"] in (25, 50)
    then.weight_is_zero("v3")
    then.users_get_only("v1")
    # Ten requests a second reach it and one in ten fails, so a hundred failures would be a minute and a half of them.
    then.users_saw_failures(at_most=50)
    then.pods_are_gone("v3")
    then.state_of("v3", "RolledBack")
    then.state_of("v1", "Live")
    _live_is_untouched(then, before)
    reasons = [one["reason"] for one in then.decisions("v3")]
    then.events_are("Installed", *reasons)


def test_failing_model_in_the_soak(case: Case) -> None:
    """A share of the users is held back on the old version, so that the comparison goes on; its pods are warm."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")

    when.applied(manifest("v3", stages=[{"soak": {"for": "5m", "holdback": 20}}]))

    then.ends("RolledBack", version="v1")
    then.passed_through("Soak", "Live")
    record = then.rolled_back_by_evidence("v3", gate="errors")
    assert (record["stage"], record["weight"]) == ("Soak", 80)
    then.weight_is_zero("v3")
    then.users_get_only("v1")
    then.pods_are_gone("v3")
    _live_is_untouched(then, before)


def test_slow_model(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")

    when.applied(manifest("v4", stages=[CANARY, SOAK]))

    then.ends("RolledBack", version="v1")
    then.rolled_back_by_evidence("v4", gate="latency")
    then.weight_is_zero("v4")
    then.pods_are_gone("v4")
    then.users_saw_no_failure()
    _live_is_untouched(then, before)


def test_crash_looping_model(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")

    when.applied(manifest("v5", stages=[SHADOW, CANARY, SOAK]))

    found = then.ends("RolledBack", version="v1")
    told = condition(found, "RolledBack")
    assert told["reason"] == condition(found, "Ready")["reason"] == "CrashLoop"
    assert "exit code 1" in told["message"]
    then.weight_is_zero("v5")
    then.pods_are_gone("v5")
    then.users_saw_nothing_of("v5")
    then.users_saw_no_failure()
    _live_is_untouched(then, before)


def _live_is_untouched(then: Then, before: dict[str, int]) -> None:
    """The same pods, none of them restarted."""
    assert then.pods("v1") == before
    assert sum(before.values()) == 0
