"""What conditions say to programs that know nothing of rollouts, in every phase."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.conditions import Condition
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.rollout import Inconclusive
from modelrollout.plan import Observation, plan
from modelrollout.plan.conditions import broken
from modelrollout.plan.observation import Trouble, Unreadable
from tests.builders import (
    BAD,
    FEW,
    GOOD,
    NOTHING,
    NOW,
    counted,
    id_of,
    installing,
    live,
    observation,
    pod,
    reading,
    revision,
    rolling,
    spec,
)
from tests.kstatus import kstatus

V1, V2 = spec("1"), spec("2")


def conditions(given: Observation) -> dict[str, Condition]:
    return {condition.type: condition for condition in plan(given, NOW).status.conditions}


def overdue(choice: Inconclusive) -> Observation:
    return rolling(spec("2", on_inconclusive=choice), StageName.CANARY, weight=25, seen=FEW, started=7200)


def rejected() -> Observation:
    given = rolling(V2, StageName.CANARY, weight=25, seen=BAD)
    return replace(given, status=plan(given, NOW).status)


PHASES = {
    "just applied": (observation(V1), "InProgress", {"Progressing"}),
    "installing": (installing(V1, ready=1), "InProgress", {"Progressing"}),
    "installing, crash loop": (
        installing(V1, ready=2, pods=[pod(Trouble.CRASH_LOOP, of=V1)]),
        "Failed",
        {"Progressing"},
    ),
    "installed": (installing(V1, ready=3), "Current", set()),
    "live": (live(V1), "Current", set()),
    "scaling": (replace(live(V1), spec=spec("1", replicas=5)), "InProgress", set()),
    "live, image cannot be pulled": (
        replace(live(V1), revisions={id_of(V1): revision(V1, ready=1, pods=[pod(Trouble.IMAGE_PULL, of=V1)])}),
        "Failed",
        set(),
    ),
    "starting": (live(V2, live=V1), "InProgress", {"Progressing"}),
    "shadow, waiting for pods": (rolling(V2, StageName.SHADOW, ready=1), "InProgress", {"Progressing"}),
    "shadow": (rolling(V2, StageName.SHADOW, seen=FEW), "InProgress", {"Progressing"}),
    "shadow, image cannot be pulled": (
        rolling(V2, StageName.SHADOW, ready=1, pods=[pod(Trouble.IMAGE_PULL, of=V2)]),
        "Failed",
        {"Progressing"},
    ),
    "canary": (rolling(V2, StageName.CANARY, weight=25, seen=FEW), "InProgress", {"Progressing"}),
    "canary without data": (rolling(V2, StageName.CANARY, weight=25, seen=NOTHING), "InProgress", {"Progressing"}),
    "canary without Prometheus": (
        replace(rolling(V2, StageName.CANARY, weight=25, seen=FEW), reading=Unreadable("refused")),
        "InProgress",
        {"Progressing"},
    ),
    "canary, passing": (rolling(V2, StageName.CANARY, weight=50, seen=GOOD), "InProgress", {"Progressing"}),
    "paused": (overdue(Inconclusive.PAUSE), "Failed", {"Paused"}),
    "promoted inconclusively": (overdue(Inconclusive.PROMOTE), "InProgress", {"Progressing"}),
    "rolled back inconclusively": (overdue(Inconclusive.ROLLBACK), "Failed", {"RolledBack"}),
    "soaking": (rolling(V2, StageName.SOAK, weight=100, since=60), "InProgress", {"Progressing"}),
    "promoted": (rolling(V2, StageName.SOAK, weight=100, since=600), "Current", set()),
    "rolling back": (rolling(V2, StageName.CANARY, weight=25, seen=BAD), "Failed", {"RolledBack"}),
    "rolled back": (rejected(), "Failed", {"RolledBack"}),
    "reverted": (
        replace(rolling(V2, StageName.CANARY, weight=25, seen=FEW), spec=V1, target=id_of(V1)),
        "Current",
        set(),
    ),
    "the live revision is lost": (replace(live(V2, live=V1), revisions={}), "Failed", set()),
}


@pytest.mark.parametrize(("given", "says", "ours"), PHASES.values(), ids=PHASES.keys())
def test_kstatus_reads_each_phase_as_people_would(given: Observation, says: str, ours: set[str]) -> None:
    status = plan(given, NOW).status.model_dump(mode="json", by_alias=True)

    assert kstatus({"metadata": {"generation": 1}, "status": status}) == says


@pytest.mark.parametrize(("given", "says", "ours"), PHASES.values(), ids=PHASES.keys())
def test_our_own_conditions_say_what_is_going_on(given: Observation, says: str, ours: set[str]) -> None:
    found = conditions(given)

    assert {kind for kind in ("Progressing", "Paused", "RolledBack") if found[kind].status == "True"} == ours


@pytest.mark.parametrize(("given", "says", "ours"), PHASES.values(), ids=PHASES.keys())
def test_every_phase_has_all_conditions_with_a_reason_and_ready_has_a_sentence(
    given: Observation, says: str, ours: set[str]
) -> None:
    found = conditions(given)

    assert list(found) == ["Ready", "Reconciling", "Stalled", "Progressing", "RolledBack", "Paused", "AwaitingReview"]
    assert all(condition.reason.isalnum() for condition in found.values())
    assert all(condition.observed_generation == 1 for condition in found.values())
    assert len(found["Ready"].message) > len("version 1")
    told = {condition.message for condition in found.values() if condition.status == "True"}
    assert told <= {found["Ready"].message}


def test_a_spec_that_was_not_looked_at_yet_is_in_progress() -> None:
    status = plan(live(V1), NOW).status.model_dump(mode="json", by_alias=True)

    assert kstatus({"metadata": {"generation": 2}, "status": status}) == "InProgress"


def test_the_generation_of_the_spec_is_what_was_observed() -> None:
    planned = plan(replace(live(V1), generation=7), NOW)

    assert planned.status.observed_generation == 7
    assert {condition.observed_generation for condition in planned.status.conditions} == {7}


def test_a_transition_has_its_time_only_when_the_status_changes() -> None:
    given = live(V1)
    first = plan(given, NOW).status
    scaled = replace(given, status=first, spec=spec("1", replicas=5))
    later = NOW + timedelta(minutes=5)

    after = {condition.type: condition for condition in plan(scaled, later).status.conditions}

    assert after["Ready"].last_transition_time == after["Reconciling"].last_transition_time == later
    assert after["Stalled"].last_transition_time == after["Paused"].last_transition_time == NOW


def test_an_object_that_cannot_be_acted_upon_fails_and_keeps_its_other_conditions() -> None:
    before = plan(live(V1), NOW).status.conditions

    told = broken(previous=before, generation=2, now=NOW, reason="InvalidSpec", message="spec.model: is missing")

    body = {"observedGeneration": 2, "conditions": [c.model_dump(mode="json", by_alias=True) for c in told]}
    assert kstatus({"metadata": {"generation": 2}, "status": body}) == "Failed"
    assert {c.type for c in told} == {c.type for c in before}
    assert told[0].message == "spec.model: is missing"


@pytest.mark.parametrize("trouble", [Trouble.IMAGE_PULL, Trouble.CRASH_LOOP])
def test_a_message_of_a_pod_is_cut_before_it_is_too_long_for_a_status(trouble: Trouble) -> None:
    wordy = replace(pod(trouble, of=V2), message="x" * 10_000)
    given = rolling(V2, StageName.SHADOW, ready=1, pods=[wordy])

    message = conditions(given)["Ready"].message

    assert f"pod {wordy.name}: xxx" in message
    assert message.endswith("…")


def test_a_message_of_an_invalid_object_is_cut_before_it_is_too_long_for_a_status() -> None:
    told = broken(previous=(), generation=1, now=NOW, reason="InvalidSpec", message="x" * 10_000)

    assert told[0].message.endswith("…")


def test_while_it_compares_the_message_has_the_numbers_of_both_arms() -> None:
    given = rolling(V2, StageName.CANARY, weight=5, since=10, seen=((400, 2), (7600, 19)))

    message = conditions(given)["Ready"].message

    assert message == (
        "Insufficient; gate errors: candidate 2 of 400 (0.5 %) bad, live 19 of 7600 (0.25 %); "
        f"evidence of safety {message.split('evidence of safety ')[1]}"
    )
    assert message.endswith(" of e^3.0")


def test_a_reading_that_changes_nothing_but_numbers_changes_no_condition() -> None:
    given = rolling(V2, StageName.CANARY, weight=5, since=10, seen=FEW)
    first = plan(given, NOW)
    later = NOW + timedelta(seconds=5)
    view = replace(given.revisions[id_of(V2)], status=first.revisions[id_of(V2)])
    again = replace(
        given,
        status=first.status,
        revisions={**given.revisions, view.id: view},
        reading=reading(FEW, at=later),
    )

    planned = plan(again, later)

    assert planned.evidence is not None
    assert counted(planned.evidence).candidate.total == 40
    assert planned.status == first.status
    assert planned.revisions == {}
