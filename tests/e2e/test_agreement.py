"""Models that answer quickly, politely and otherwise: seen on copies of requests, before any user is answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from demo.kubectl import kubectl
from tests.e2e.case import Case
from tests.e2e.history import Object
from tests.e2e.manifests import CANARY, ERRORS, NAME, SHADOW, SOAK, Manifest, manifest
from tests.e2e.then import Then, condition

# Noise pairs limit how soon a small difference is known, and on two busy cores the observer often pauses.
OBSERVE: Manifest = {"sideEffects": "None", "sample": {"perSecond": 40}, "noiseShare": 1.0}
LONG_SECONDS = 300.0
STAGES = (SHADOW, CANARY, SOAK)


def agreement(target: float, **fields: object) -> Manifest:
    return {"name": "agreement", "signal": "Agreement", "target": target, **fields}


def observed(version: str, gate: Manifest) -> Manifest:
    return manifest(version, stages=STAGES, gates=(ERRORS, gate), observe=OBSERVE)


def test_another_model_waits_for_a_person_who_sees_where_it_differs(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()

    when.applied(observed("v2", agreement(0.995)))

    waiting = then.comes_to(
        "it waits for a person", lambda found: _reason(found) == "Disagreement", seconds=LONG_SECONDS
    )
    told = condition(waiting, "AwaitingReview")
    assert (told["status"], waiting["status"]["stage"], waiting["status"]["weight"]) == ("True", "Shadow", 0)
    record = next(one for one in then.decisions("v2") if one["reason"] == "Disagreement")
    gate = next(one for one in record["gates"] if one["name"] == "agreement")
    assert gate["candidate"]["bad"] > 0
    assert gate["stable"]["requests"] > 0
    assert gate["stable"]["bad"] == 0, "v1 agrees with itself"
    assert 0 < gate["bound"] < 1
    case.note(told["message"])
    assert _disagreements(case), "the worst examples can be read"
    then.stays("it waits", lambda found: found["status"]["stage"] == "Shadow", seconds=5)
    then.users_saw_nothing_of("v2")

    digest = case.revisions("v2")[-1][-1].found["spec"]["digest"]
    expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = when.asked("Approve", reason="it is the better one", candidateDigest=digest, expiresAt=expires)

    assert answer["status"]["outcome"] == "Applied"
    then.ends("Live", version="v2")
    then.users_saw_no_failure()
    _nothing_of_the_observer_is_left(case, then)


def test_the_same_model_again_agrees_with_itself(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v2"))
    given.users()
    again = observed("v2", agreement(0.9))
    again["spec"]["model"]["uri"] += "?built=again"

    when.applied(again)

    then.ends("Live", version="v2")
    then.passed_through("Shadow", "Canary", "Soak", "Live")
    then.users_saw_no_failure()


def test_a_model_trained_on_other_units_is_taken_back_before_anybody_sees_it(case: Case) -> None:
    _taken_back_in_shadow(case, "v6")


def test_a_model_trained_on_swapped_measures_is_taken_back_before_anybody_sees_it(case: Case) -> None:
    _taken_back_in_shadow(case, "v8")


def _taken_back_in_shadow(case: Case, version: str) -> None:
    given, when, then = case.steps()
    given.live(manifest("v2"))
    given.users()

    when.applied(observed(version, agreement(0.9, onDisagreement="Rollback")))

    then.ends("RolledBack", version="v2")
    then.passed_through("Shadow", "Live")
    then.rolled_back_by_evidence(version, gate="agreement")
    then.weight_is_zero(version)
    then.users_saw_nothing_of(version)
    then.users_saw_no_failure()
    then.pods_are_gone(version)
    _nothing_of_the_observer_is_left(case, then)


def test_a_model_that_always_says_the_same_waits_and_is_rejected(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v2"))
    given.users()
    when.applied(observed("v7", agreement(0.9)))
    then.comes_to("it waits for a person", lambda found: _reason(found) == "Disagreement", seconds=LONG_SECONDS)

    when.asked("Reject", reason="it says benign to everything")

    then.ends("RolledBack", version="v2")
    then.state_of("v7", "Rejected")
    then.users_saw_nothing_of("v7")
    then.users_saw_no_failure()


def _reason(found: Object) -> str:
    return str(condition(found, "Ready")["reason"])


def _disagreements(case: Case) -> object:
    """As the condition's message says."""
    path = f"/api/v1/namespaces/{case.namespace}/services/{NAME}-observer:9090/proxy/disagreements"
    return json.loads(kubectl("get", "--raw", path))


def _nothing_of_the_observer_is_left(case: Case, then: Then) -> None:
    kinds = "deployments,services,configmaps,networkpolicies,pods"
    then.comes_to_be(
        "nothing of the observer is left",
        lambda: f"{NAME}-observer" not in kubectl("get", kinds, "-n", case.namespace, "-o", "name"),
    )
