"""People change their minds in the middle of a rollout."""

from __future__ import annotations

from tests.e2e.case import Case
from tests.e2e.manifests import CANARY, ERRORS, LATENCY, LONG_CANARY, SHADOW, SOAK, manifest
from tests.e2e.then import Then

# Under this policy the failures of v3 are accepted, so that it stays a candidate and has evidence to be mixed up.
TOLERANT = {**ERRORS, "tolerate": {"ratio": 1.1, "points": 30}, "promoteWithin": {"points": 50}}


def test_spec_change_in_the_middle(case: Case) -> None:
    """The old candidate goes, the new one starts at the beginning, and none of the old one's failures count."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    gates = [TOLERANT, LATENCY]
    when.applied(manifest("v3", stages=[LONG_CANARY], gates=gates))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)
    _failures_are_known(case, then)

    when.applied(manifest("v2", stages=[SHADOW, CANARY, SOAK], gates=gates))

    first = then.comes_to("the new candidate starts", lambda found: found["status"].get("candidateVersion") == "v2")
    assert (first["status"]["stage"], first["status"]["weight"]) == ("Shadow", 0)
    then.ends("Live", version="v2")
    then.passed_through("Shadow", "Canary", "Soak", "Live")
    then.state_of("v3", "Superseded")
    then.pods_are_gone("v3")
    for record in then.decisions("v2"):
        bad = [gate["candidate"]["bad"] for gate in record["gates"] if gate["name"] == "errors"]
        assert bad in ([], [0]), f"failures of the candidate before it are in {record}"


def _failures_are_known(case: Case, then: Then) -> None:
    """Users saw some of the first candidate's failures, so that there is something that could be mixed up."""
    from tests.e2e.waiting import until

    until("users see failures of v3", lambda: case.seen().failed >= 10, namespace=case.namespace)


def test_another_content_of_the_same_version(case: Case) -> None:
    """A revision is its content: an environment variable is another one, though the version's name is the same."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[LONG_CANARY]))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)

    when.applied(manifest("v2", stages=[CANARY, SOAK], environment={"THREADS": "2"}))

    then.ends("Live", version="v2")
    then.users_saw_no_failure()
    first, second = case.revisions("v2")
    assert first[-1].status["state"] == "Superseded"
    assert second[-1].status["state"] == "Live"
    assert first[0].found["metadata"]["name"] != second[0].found["metadata"]["name"]


def test_revert_in_the_middle(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = then.pods("v1")
    when.applied(manifest("v2", stages=[LONG_CANARY]))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)

    when.applied(manifest("v1", stages=[LONG_CANARY]))

    then.ends("Live", version="v1")
    then.weight_is_zero("v2")
    then.users_get_only("v1")
    then.state_of("v2", "Superseded")
    then.pods_are_gone("v2")
    then.users_saw_no_failure()
    assert then.pods("v1") == before
    assert then.decisions("v2")[-1]["reason"] == "Reverted"


def test_deletion_in_the_middle(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.applied(manifest("v2", stages=[LONG_CANARY]))
    then.comes_to("the canary has its share", lambda found: found["status"]["weight"] == 25)

    when.deleted()

    then.nothing_is_left()
    then.namespace_ends()
