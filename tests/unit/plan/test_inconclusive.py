"""When time is up and nothing was decided, what the user asked for happens; harm still rolls back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.api.rollout import Inconclusive
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyRoute, ApplyWorkload
from modelrollout.plan.observation import Observation, Unreadable
from tests.builders import (
    BAD,
    FEW,
    GOOD,
    NOTHING,
    NOW,
    Arms,
    counted,
    evidence,
    id_of,
    reading,
    rolling,
    route,
    spec,
)

V1, V2 = spec("1"), spec("2")


def overdue(
    choice: Inconclusive,
    stage: StageName = StageName.CANARY,
    *,
    weight: int = 25,
    seen: Arms = FEW,
    started: float = 7200,
    max_duration: str = "2h",
) -> Observation:
    of = spec("2", on_inconclusive=choice, max_duration=max_duration)
    return rolling(of, stage, weight=weight, seen=seen, started=started)


def paused(given: Observation) -> Observation:
    planned = plan(given, NOW)
    view = given.revisions[id_of(V2)]
    view = replace(view, status=planned.revisions.get(view.id, view.status))
    return replace(given, status=planned.status, revisions={**given.revisions, view.id: view})


def test_nothing_happens_before_the_time_is_up() -> None:
    for choice in Inconclusive:
        planned = plan(overdue(choice, started=7199), NOW)

        assert (planned.status.stage, planned.status.weight) == ("Canary", 25)
        assert planned.status.conditions[5].type == "Paused"
        assert planned.status.conditions[5].status == "False"


@pytest.mark.parametrize(("stage", "weight"), [(StageName.SHADOW, 0), (StageName.CANARY, 25)])
def test_a_pause_holds_everything_as_it_is(stage: StageName, weight: int) -> None:
    planned = plan(overdue(Inconclusive.PAUSE, stage, weight=weight), NOW)

    assert planned.actions == ()
    assert (planned.status.stage, planned.status.weight, planned.status.candidate) == (stage, weight, id_of(V2))
    assert (planned.status.conditions[5].type, planned.status.conditions[5].status) == ("Paused", "True")
    assert "nothing was decided within maxDuration 2h" in planned.status.conditions[0].message
    assert "resume or promote it, or edit the policy or the model, to go on" in planned.status.conditions[0].message


def test_a_paused_shadow_mirrors_only_while_all_pods_are_ready() -> None:
    of = spec("2")
    given = rolling(of, StageName.SHADOW, ready=2, seen=FEW, started=7200)

    planned = plan(replace(given, route=route(V1, of, mirror=True)), NOW)

    assert planned.status.conditions[5].status == "True"
    assert planned.actions == (ApplyRoute(route(V1, V2)),)


def test_a_pause_says_what_it_was_waiting_for() -> None:
    without_data = overdue(Inconclusive.PAUSE, seen=NOTHING)
    without_prometheus = replace(overdue(Inconclusive.PAUSE), reading=Unreadable("connection refused"))

    assert "no request of the candidate has been seen yet" in plan(without_data, NOW).status.conditions[0].message
    assert "connection refused" in plan(without_prometheus, NOW).status.conditions[0].message


def test_a_pause_is_on_the_record_with_the_numbers_of_both_arms_once() -> None:
    given = overdue(Inconclusive.PAUSE)

    first = plan(given, NOW)
    again = plan(paused(given), NOW)

    record = first.revisions[id_of(V2)].decisions[-1]
    assert (record.outcome, record.reason, record.verdict, record.weight) == (
        Outcome.PAUSE,
        "Inconclusive",
        "Insufficient",
        25,
    )
    assert record.gates[0].candidate.requests == 20
    assert [notice.warning for notice in first.notices] == [True]
    assert again.revisions == {}
    assert again.notices == ()


def test_good_evidence_does_not_end_a_pause() -> None:
    given = replace(paused(overdue(Inconclusive.PAUSE, weight=50)), evidence=evidence(GOOD, of=V2))

    planned = plan(given, NOW + timedelta(seconds=5))

    assert (planned.status.stage, planned.status.weight) == ("Canary", 50)
    assert planned.status.conditions[5].status == "True"


def test_a_pause_says_what_was_missing_when_it_began() -> None:
    given = paused(overdue(Inconclusive.PAUSE, seen=NOTHING))
    message = given.status.conditions[0].message

    planned = plan(replace(given, evidence=evidence(GOOD, of=V2)), NOW + timedelta(seconds=5))

    assert "no request of the candidate has been seen yet" in message
    assert planned.status.conditions[0].message == message


def test_a_step_that_comes_too_late_is_not_told_as_if_it_were_taken() -> None:
    planned = plan(overdue(Inconclusive.PAUSE, weight=0, seen=NOTHING), NOW)

    assert planned.status.weight == 0
    assert "weight 0 %" not in planned.status.conditions[0].message


def test_harm_ends_a_pause() -> None:
    given = paused(overdue(Inconclusive.PAUSE))

    planned = plan(replace(given, reading=reading(BAD)), NOW + timedelta(seconds=5))

    assert planned.actions[0] == ApplyRoute(route(V1, V2))
    assert planned.status.rejected == id_of(V2)


def test_evidence_is_gathered_on_during_a_pause() -> None:
    planned = plan(replace(paused(overdue(Inconclusive.PAUSE)), reading=reading(FEW)), NOW)

    assert planned.wants_readings
    assert planned.evidence is not None
    assert counted(planned.evidence).candidate.total == 40


def test_more_time_ends_a_pause() -> None:
    given = paused(overdue(Inconclusive.PAUSE))

    planned = plan(replace(given, spec=spec("2", max_duration="3h")), NOW)

    assert planned.status.conditions[5].status == "False"
    assert planned.status.conditions[0].reason == "Comparing"


def test_a_second_pause_is_on_the_record_too() -> None:
    given = paused(overdue(Inconclusive.PAUSE))
    more = paused(replace(given, spec=spec("2", max_duration="3h")))

    planned = plan(more, NOW + timedelta(hours=1))

    assert [record.outcome for record in planned.revisions[id_of(V2)].decisions] == [Outcome.PAUSE, Outcome.PAUSE]


def test_the_user_can_ask_for_a_rollback_when_time_is_up() -> None:
    planned = plan(overdue(Inconclusive.ROLLBACK), NOW)

    record = planned.revisions[id_of(V2)].decisions[-1]
    assert planned.actions == (ApplyRoute(route(V1, V2)),)
    assert (planned.status.rejected, record.reason, record.outcome) == (id_of(V2), "Inconclusive", Outcome.ROLL_BACK)
    assert record.gates[0].stable.requests == 60


@pytest.mark.parametrize(("stage", "weight"), [(StageName.SHADOW, 0), (StageName.CANARY, 25)])
def test_the_user_can_ask_for_a_promotion_when_time_is_up_and_it_goes_by_way_of_the_soak(
    stage: StageName, weight: int
) -> None:
    planned = plan(overdue(Inconclusive.PROMOTE, stage, weight=weight), NOW)

    record = planned.revisions[id_of(V2)].decisions[-1]
    assert (planned.status.stage, planned.status.weight, planned.status.stable) == ("Soak", weight, id_of(V1))
    assert (record.reason, record.outcome, record.verdict) == ("PromotedInconclusive", Outcome.ADVANCE, "Insufficient")


def test_a_promotion_asks_for_all_of_the_pods_first() -> None:
    of = spec("2", on_inconclusive=Inconclusive.PROMOTE)
    given = rolling(of, StageName.CANARY, weight=25, replicas=2, seen=FEW, started=7200)

    assert plan(given, NOW).actions == (ApplyWorkload(revision=id_of(V2), replicas=3),)


@pytest.mark.parametrize("choice", list(Inconclusive))
def test_harm_rolls_back_whatever_the_policy_says_about_time(choice: Inconclusive) -> None:
    planned = plan(replace(overdue(choice), reading=reading(BAD)), NOW)

    assert planned.status.rejected == id_of(V2)
    assert planned.revisions[id_of(V2)].decisions[-1].reason == "EvidenceOfHarm"


@pytest.mark.parametrize("choice", list(Inconclusive))
def test_a_soak_takes_its_own_time(choice: Inconclusive) -> None:
    of = spec("2", on_inconclusive=choice)

    planned = plan(rolling(of, StageName.SOAK, weight=100, since=60, started=9000), NOW)

    assert planned.actions == ()
    assert planned.status.stage is StageName.SOAK
