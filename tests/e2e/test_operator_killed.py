"""kill -9 in the middle of a canary, and a restart: the same evidence and the same end."""

from __future__ import annotations

import pytest

from tests.e2e.case import Case
from tests.e2e.evidence import growths, nothing_is_counted_twice, nothing_is_lost
from tests.e2e.manifests import SOAK, manifest
from tests.e2e.then import condition

pytestmark = pytest.mark.alone

TWO_STEPS = {"canary": {"weights": [20, 40], "holdFor": "12s"}}
ONE_STEP = {"canary": {"weights": [5], "holdFor": "12s"}}


def test_operator_killed_in_the_middle_of_a_canary(case: Case) -> None:
    """Evidence is written when the second step begins; the kill comes after it and before the next write."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[TWO_STEPS, SOAK]))
    then.comes_to("the second step", lambda found: found["status"]["weight"] == 40)

    when.operator_killed()

    then.ends("Live", version="v2")
    then.passed_through("Canary", "Soak", "Live")
    then.weights_only_grew()
    then.users_saw_no_failure()
    grown = list(growths(case, candidate="v2", stable="v1"))
    case.note("; ".join(str(growth) for growth in grown))
    nothing_is_counted_twice(grown)
    nothing_is_lost(grown)


def test_operator_killed_while_a_bad_model_has_a_share(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")
    when.applied(manifest("v3", stages=[ONE_STEP, SOAK]))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 5)

    when.operator_killed()

    found = then.ends("RolledBack", version="v1")
    assert condition(found, "RolledBack")["reason"] == "EvidenceOfHarm"
    then.rolled_back_by_evidence("v3", gate="errors")
    then.users_saw_failures(at_most=50)
    grown = list(growths(case, candidate="v3", stable="v1"))
    case.note("; ".join(str(growth) for growth in grown))
    nothing_is_counted_twice(grown)
    assert then.pods("v1") == before
