"""An alert that both versions share is put to a person, where the policy says so, and holds the rollout until then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from modelrollout.api.alerts import AlertPolicy, SharedAlert
from modelrollout.api.contract import Breaking
from modelrollout.api.modeldeployment import ModelDeploymentSpec, Pause, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import Inconclusive
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.plan import Plan, plan
from modelrollout.plan.alerts import ROLLING, Firing
from modelrollout.plan.observation import Observation, RevisionView
from tests.builders import (
    BAD,
    CANARY,
    FEW,
    GOOD,
    NOW,
    REVIEW,
    SHADOW,
    SOAK,
    ago,
    asked,
    firing,
    id_of,
    live,
    pages,
    rolling,
    spec,
)

ASKS = pages(name="drift", shared=SharedAlert.REVIEW)
V1 = spec("1")
V2 = spec("2", alerts=(ASKS,))
IN_CANARY = rolling(V2, StageName.CANARY, live=V1, weight=25, seen=FEW)
ANY_STAGE = [rolling(V2, stage, live=V1, weight=100 * (stage is StageName.SOAK)) for stage in ROLLING]
LATER = NOW + timedelta(seconds=2)

Way = Callable[[Observation, Firing], Plan]


def fires(given: Observation, *alerts: Firing, at: datetime = NOW) -> Plan:
    """By the query."""
    return plan(replace(given, firing=alerts), at)


def sent(given: Observation, alert: Firing) -> Plan:
    """By the receiver."""
    by = "system:serviceaccount:modelrollout:modelrollout"
    return plan(replace(given, actions=(asked(Verb.ROLLBACK, by=by, alert=alert, number=9),)), NOW)


BOTH_WAYS = pytest.mark.parametrize("way", [fires, sent], ids=["by the query", "by the receiver"])


def after(before: Observation, planned: Plan) -> Observation:
    """As the next plan finds it, with all that was written, and nothing that fires any more."""
    changed: dict[str, RevisionView] = {
        id: replace(before.revisions[id], status=status) for id, status in planned.revisions.items()
    }
    revisions = {**before.revisions, **changed}
    return replace(before, status=planned.status, evidence=planned.evidence, revisions=revisions, firing=(), actions=())


def waiting(given: Observation = IN_CANARY, *alerts: Firing) -> Observation:
    """A person is asked, and has been told."""
    return after(given, fires(given, *(alerts or (firing(),))))


def says(given: Observation, verb: Verb, *alerts: Firing, at: datetime = LATER) -> Plan:
    about = given.spec if verb is Verb.APPROVE else None
    return plan(replace(given, actions=(asked(verb, about=about, by="olga"),), firing=alerts), at)


def of(stages: tuple[object, ...] = (SHADOW, CANARY, SOAK), **wanted: object) -> ModelDeploymentSpec:
    return spec("2", **{"alerts": (ASKS,), "stages": stages, **wanted})  # type: ignore[arg-type]


def reason(planned: Plan, kind: str = "Ready") -> str:
    return next(c.reason for c in planned.status.conditions if c.type == kind)


def waits(planned: Plan) -> bool:
    told = {c.type: (c.status, c.reason) for c in planned.status.conditions}
    return told["AwaitingReview"] == ("True", "SharedAlert")


@BOTH_WAYS
@pytest.mark.parametrize("given", ANY_STAGE, ids=lambda given: str(given.status.stage))
def test_it_waits_where_it_is(given: Observation, way: Way) -> None:
    planned = way(given, firing())

    assert waits(planned)
    assert (planned.status.stage, planned.status.weight) == (given.status.stage, given.status.weight)
    assert planned.status.candidate == id_of(V2)
    (record,) = planned.records
    assert (record.outcome, record.reason) == (Outcome.PAUSE, "SharedAlert")
    assert planned.wants_alerts


def test_the_record_names_the_alert_and_what_to_do() -> None:
    alert = firing("ModelDriftInEveryVersion", since=42, modeldeployment="fraud", feature="amount")

    planned = fires(IN_CANARY, alert)

    record = planned.revisions[id_of(V2)].decisions[-1]
    assert record.alert is not None
    assert (record.alert.policy, record.alert.labels, record.alert.starts_at) == ("drift", alert.labels, ago(42))
    assert record.message == (
        "alert ModelDriftInEveryVersion fired at 11:59:18 (entry drift: severity=page, namespace=payments); the live "
        "version shares it, or it names no version, so it holds until a person says: kubectl model approve fraud "
        "-n payments, or reject"
    )
    assert next(c.message for c in planned.status.conditions if c.type == "AwaitingReview") == record.message
    assert [(notice.reason, notice.warning) for notice in planned.notices] == [("SharedAlert", True)]


def test_one_that_was_sent_is_answered_with_what_came_of_it() -> None:
    (answer,) = sent(IN_CANARY, firing()).answers
    assert (answer.outcome, answer.action) == (Answer.APPLIED, Verb.ROLLBACK)
    assert answer.message.startswith("both versions share it, so a person is asked: alert Errors is firing since")


@BOTH_WAYS
@pytest.mark.parametrize(
    ("alert", "given"),
    [
        (firing(of=V1), IN_CANARY),
        (firing(since=601), IN_CANARY),
        (firing(severity="warning"), IN_CANARY),
        (firing(namespace="lending"), IN_CANARY),
        (firing(), live(V2)),
    ],
    ids=["of live alone", "fired before the rollout", "not named", "elsewhere", "no rollout"],
)
def test_what_else_fires_asks_nobody(alert: Firing, given: Observation, way: Way) -> None:
    planned = way(given, alert)
    assert not waits(planned)
    assert planned.status.reviews == ()


def test_what_the_live_version_has_as_well_is_asked_about() -> None:
    planned = fires(IN_CANARY, firing(of=V2), firing(of=V1))
    assert waits(planned)
    assert planned.status.reviews[0].labels["pod"].startswith(f"fraud-{id_of(V2)}")


@BOTH_WAYS
def test_one_about_the_candidate_alone_takes_it_back(way: Way) -> None:
    assert way(IN_CANARY, firing(of=V2)).status.rejected == id_of(V2)


@BOTH_WAYS
@pytest.mark.parametrize("first", [True, False])
def test_where_another_entry_takes_it_back_nobody_is_asked(first: bool, way: Way) -> None:
    entries: tuple[AlertPolicy, ...] = (ASKS, pages(name="all", shared=SharedAlert.ROLL_BACK))
    given = rolling(of(alerts=entries if first else entries[::-1]), StageName.CANARY, live=V1, weight=25, seen=FEW)

    planned = way(given, firing())

    assert planned.status.rejected == id_of(V2)
    assert planned.status.reviews == ()


def test_it_is_put_once_and_stays_when_the_alert_is_over() -> None:
    again = fires(waiting(), firing(), firing("Other"), at=LATER)
    assert again.records == ()
    assert [alert.name for alert in again.status.reviews] == ["Errors"]
    assert waits(plan(waiting(), LATER))


def test_one_that_is_sent_while_a_person_is_asked_is_refused() -> None:
    planned = sent(waiting(), firing("Other"))
    assert planned.answers[0].outcome is Answer.REFUSED
    assert "a person is asked already about an alert that entry drift names" in planned.answers[0].message
    assert waits(planned)


def test_each_entry_asks_for_itself_and_is_on_record() -> None:
    entries = (ASKS, pages(name="late", match={"alertname": "Late"}, shared=SharedAlert.REVIEW))
    given = rolling(of(alerts=entries), StageName.CANARY, live=V1, weight=25, seen=FEW)
    both = (firing(), firing("Late", severity="info"))
    first = waiting(given, *both)

    second = after(first, plan(first, LATER))
    third = plan(second, LATER + timedelta(seconds=1))

    assert third.records == ()
    told = [one.alert.policy for one in second.revisions[id_of(V2)].status.decisions if one.alert is not None]
    assert told == ["drift", "late"]
    assert says(second, Verb.APPROVE).status.reviews == ()


def test_an_approval_is_about_what_people_were_told_of() -> None:
    entries = (ASKS, pages(name="late", match={"alertname": "Late"}, shared=SharedAlert.REVIEW))
    given = rolling(of(alerts=entries), StageName.CANARY, live=V1, weight=25, seen=FEW)

    planned = says(waiting(given), Verb.APPROVE, firing("Late", severity="info"))

    assert planned.status.approval is not None
    assert planned.status.approval.alerts == ("drift",)
    assert [alert.policy for alert in planned.status.reviews] == ["late"]
    assert waits(planned)


@pytest.mark.parametrize("on_inconclusive", list(Inconclusive))
@pytest.mark.parametrize("stage", [StageName.EVALUATE, StageName.SHADOW, StageName.CANARY])
def test_a_person_may_take_longer_than_the_rollout(stage: StageName, on_inconclusive: Inconclusive) -> None:
    policy = of(max_duration="10m", on_inconclusive=on_inconclusive)
    asked_at = waiting(rolling(policy, stage, live=V1, since=10, started=10))

    assert waits(plan(asked_at, NOW + timedelta(days=2)))

    goes_on = says(asked_at, Verb.APPROVE, at=NOW + timedelta(hours=3))
    assert goes_on.status.resumed_at == NOW + timedelta(hours=3)
    assert reason(goes_on) != "Inconclusive"
    assert goes_on.status.rejected is None


@pytest.mark.parametrize(("stage", "weight"), [(StageName.SHADOW, 0), (StageName.CANARY, 50)])
def test_one_that_is_safe_takes_no_step(stage: StageName, weight: int) -> None:
    safe = rolling(V2, stage, live=V1, weight=weight, seen=GOOD, replicas=3, both_served=True)
    assert plan(safe, NOW).status.stage is not stage, "or the test shows nothing"
    planned = fires(safe, firing())
    assert waits(planned)
    assert (planned.status.stage, planned.status.weight) == (stage, weight)


def test_the_end_of_a_soak_waits_and_comes_with_the_approval() -> None:
    soaked = rolling(V2, StageName.SOAK, live=V1, weight=100, since=100_000)
    assert plan(soaked, NOW).status.stage is StageName.LIVE, "or the test shows nothing"

    held = waiting(soaked)

    assert (held.status.stage, held.status.weight) == (StageName.SOAK, 100)
    approved = says(held, Verb.APPROVE)
    assert [record.reason for record in approved.records] == ["SharedAlertAccepted"], "before anything comes of it"
    assert approved.requeue_after is not None
    assert plan(after(held, approved), LATER).status.stable == id_of(V2)


def test_harm_does_not_wait() -> None:
    harmed = rolling(V2, StageName.CANARY, live=V1, weight=25, seen=BAD)
    planned = fires(harmed, firing())
    assert (reason(planned), planned.status.rejected) == ("EvidenceOfHarm", id_of(V2))
    assert fires(waiting(), firing(of=V2)).status.rejected == id_of(V2)


def test_an_approval_lets_it_go_on_and_is_on_record() -> None:
    planned = says(waiting(), Verb.APPROVE, firing())

    (answer,) = planned.answers
    assert (answer.outcome, answer.message) == (
        Answer.APPLIED,
        "version 2 goes on in spite of alert Errors (entry drift)",
    )
    (record,) = planned.records
    assert (record.outcome, record.reason, record.by) == (Outcome.RESUME, "SharedAlertAccepted", "olga")
    assert record.message == (
        "it goes on in spite of alert Errors (entry drift), approved by olga: the numbers look wrong"
    )
    assert not waits(planned)
    assert planned.status.reviews == ()
    assert planned.status.resumed_at == LATER, "what the person took is not of the rollout's time"


def test_it_does_not_ask_again_in_this_rollout_even_when_the_approval_is_over() -> None:
    given = waiting()
    approved = after(given, says(given, Verb.APPROVE))
    for at in (LATER + timedelta(seconds=1), NOW + timedelta(hours=5)):
        planned = fires(approved, firing("Other"), at=at)
        assert planned.status.reviews == ()
        assert not waits(planned)
    refused = sent(approved, firing("Other"))
    assert "a person has accepted what is shared and entry drift names" in refused.answers[0].message


def test_a_later_approval_keeps_what_was_accepted() -> None:
    given = waiting(rolling(of(stages=(SHADOW, REVIEW, CANARY, SOAK)), StageName.SHADOW, live=V1, seen=FEW))
    approved = after(given, says(given, Verb.APPROVE))
    again = plan(replace(approved, actions=(asked(Verb.APPROVE, about=V2, number=2),)), LATER)
    assert again.answers[0].outcome is Answer.APPLIED
    assert again.status.approval is not None
    assert again.status.approval.alerts == ("drift",)


def test_an_approval_of_another_candidate_accepts_nothing() -> None:
    planned = plan(replace(waiting(), actions=(asked(Verb.APPROVE, about=spec("3")),)), LATER)
    assert planned.answers[0].outcome is Answer.REFUSED
    assert waits(planned)


def test_an_approval_of_before_accepts_nothing_that_fired_since() -> None:
    of_review = of(stages=(SHADOW, REVIEW, CANARY, SOAK))
    early = rolling(of_review, StageName.SHADOW, live=V1, seen=FEW)
    approved = after(early, plan(replace(early, actions=(asked(Verb.APPROVE, about=of_review),)), NOW))
    assert approved.status.approval is not None
    assert waits(fires(approved, firing(), at=LATER))


def test_the_role_that_the_review_stage_asks_for_is_asked_for_here_too() -> None:
    stages = (SHADOW, REVIEW.model_copy(update={"review": REVIEW.review.model_copy(update={"role": "risk"})}), CANARY)  # type: ignore[union-attr]
    planned = says(waiting(rolling(of(stages=stages), StageName.CANARY, live=V1, weight=25)), Verb.APPROVE)
    assert planned.answers[0].outcome is Answer.REFUSED
    assert "the review asks for the role risk" in planned.answers[0].message
    assert waits(planned)


def test_a_rejection_takes_it_back() -> None:
    planned = says(waiting(), Verb.REJECT)
    assert planned.status.rejected == id_of(V2)
    assert planned.revisions[id_of(V2)].state is RevisionState.REJECTED
    assert planned.status.reviews == ()


def test_nobody_promotes_past_it() -> None:
    planned = says(waiting(), Verb.PROMOTE)
    assert planned.answers[0].outcome is Answer.REFUSED
    assert "alert Errors waits for a person's word; approve or reject it instead" in planned.answers[0].message
    assert waits(planned)


@BOTH_WAYS
def test_a_pause_hides_it_and_does_not_lose_it(way: Way) -> None:
    status = IN_CANARY.status.model_copy(update={"paused": Pause(by="alice", reason="lunch", at=ago(30))})
    paused = replace(IN_CANARY, status=status)
    put = way(paused, firing())
    assert reason(put) == "PausedByPerson"

    resumed = says(after(paused, put), Verb.RESUME)

    assert waits(resumed)
    assert [record.reason for record in resumed.records] == ["SharedAlert"]


def test_an_entry_that_does_not_ask_any_more_lets_it_go_on() -> None:
    edited = replace(waiting(), spec=of(alerts=(pages(name="drift"),)))
    planned = plan(edited, LATER)
    assert not waits(planned)
    assert planned.status.reviews == ()


def test_another_candidate_is_not_held() -> None:
    given = waiting()
    newer = of().model_copy(update={"model": spec("3").model})
    planned = plan(replace(given, spec=newer, target=id_of(newer)), LATER)
    assert (planned.status.candidate, planned.status.reviews) == (id_of(newer), ())


def test_a_broken_contract_is_put_first_and_an_approval_of_it_accepts_no_alert() -> None:
    """One question at a time: nobody approves what was not shown."""
    broken = {"inputs": [{"name": "amount", "type": "float"}, {"name": "age", "type": "int"}]}
    kept = spec("1", contract={"inputs": [{"name": "amount", "type": "float"}]})
    given = rolling(of(contract=broken, breaking=Breaking.REVIEW), StageName.SHADOW, live=kept)
    both = waiting(given)
    assert next(c.reason for c in both.status.conditions if c.type == "AwaitingReview") == "ContractReview"

    approved = says(both, Verb.APPROVE)

    assert approved.status.approval is not None
    assert approved.status.approval.alerts == ()
    assert waits(plan(after(both, approved), LATER + timedelta(seconds=1)))


@BOTH_WAYS
def test_a_process_that_dies_between_the_two_writes_leaves_one_record(way: Way) -> None:
    planned = way(IN_CANARY, firing())
    written = {id: replace(IN_CANARY.revisions[id], status=status) for id, status in planned.revisions.items()}
    half = replace(IN_CANARY, revisions={**IN_CANARY.revisions, **written})

    again = way(half, firing())

    assert waits(again)
    assert again.records == ()
    decisions = again.revisions.get(id_of(V2), half.revisions[id_of(V2)].status).decisions
    assert [record.reason for record in decisions] == ["SharedAlert"]
