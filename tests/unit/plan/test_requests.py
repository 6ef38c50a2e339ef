"""What people ask for: each action is applied once, or refused with a reason that says what to do."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import AnsweredAction, Approval, ModelDeploymentStatus, Pause, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import Inconclusive, ReviewStage, Stage
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.plan import Plan, plan
from modelrollout.plan.actions import ApplyRoute
from modelrollout.plan.alerts import ROLLING
from modelrollout.plan.observation import ActionView, Observation, Unreadable
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
    evidence,
    id_of,
    installing,
    live,
    reading,
    revision_spec,
    rolling,
    route,
    spec,
)

V1, V2, V3 = spec("1"), spec("2"), spec("3")
REVIEWED = spec("2", stages=(SHADOW, REVIEW, CANARY, SOAK))
IN_CANARY = rolling(V2, StageName.CANARY, weight=25, seen=FEW)
IN_SHADOW = rolling(V2, StageName.SHADOW, seen=FEW)
IN_SOAK = rolling(V2, StageName.SOAK, weight=100, since=60)
IN_REVIEW = rolling(REVIEWED, StageName.REVIEW, live=V1)


def when(given: Observation, *actions: ActionView) -> Plan:
    return plan(replace(given, actions=actions), NOW)


def answer(planned: Plan) -> AnsweredAction:
    (only,) = planned.answers
    assert planned.status.actions[-1] == only
    return only


def with_status(given: Observation, **changes: object) -> Observation:
    status: ModelDeploymentStatus = given.status.model_copy(update=changes)
    return replace(given, status=status)


class TestOnce:
    def test_an_action_that_is_in_the_status_is_told_and_not_applied_again(self) -> None:
        first = when(IN_CANARY, asked(Verb.PAUSE))
        died_before_it_told = replace(IN_CANARY, status=first.status)

        again = when(with_status(died_before_it_told, paused=None), asked(Verb.PAUSE))

        assert again.status.paused is None
        assert again.answers == first.answers

    def test_an_action_whose_own_status_says_what_came_of_it_is_over(self) -> None:
        planned = when(IN_CANARY, asked(Verb.PAUSE, answered=True))

        assert (planned.answers, planned.status.paused) == ((), None)

    def test_the_oldest_is_heard_first_and_one_at_a_time(self) -> None:
        resume, pause = asked(Verb.RESUME, number=2), asked(Verb.PAUSE, created_at=ago(5))

        first = when(IN_CANARY, resume, pause)
        second = when(replace(IN_CANARY, status=first.status), resume, replace(pause, answered=True))

        assert (first.status.paused is not None, second.status.paused) == (True, None)
        assert [one.action for one in second.status.actions] == [Verb.PAUSE, Verb.RESUME]

    def test_one_that_came_too_late_changes_nothing(self) -> None:
        planned = when(IN_CANARY, asked(Verb.ROLLBACK, expires_at=ago(1)))

        assert answer(planned).outcome is Answer.EXPIRED
        assert planned.status.candidate == id_of(V2)

    def test_one_that_was_asked_of_an_earlier_deployment_of_this_name_is_refused(self) -> None:
        planned = when(replace(IN_CANARY, created_at=ago(10)), asked(Verb.ROLLBACK, created_at=ago(11)))

        assert answer(planned).outcome is Answer.REFUSED
        assert "an earlier ModelDeployment of this name" in answer(planned).message

    @pytest.mark.parametrize("verb", [Verb.ROLLBACK, Verb.PROMOTE, Verb.PAUSE, Verb.REJECT])
    def test_one_that_names_another_candidate_than_the_present_one_is_refused(self, verb: Verb) -> None:
        planned = when(IN_CANARY, asked(verb, about=V3))

        assert answer(planned).outcome is Answer.REFUSED
        assert f"about revision {id_of(V3)}, and it would be about {id_of(V2)} now" in answer(planned).message
        assert (planned.status.candidate, planned.status.weight, planned.status.paused) == (id_of(V2), 25, None)

    def test_a_refusal_is_told_as_an_event(self) -> None:
        (notice,) = when(live(V1), asked(Verb.PAUSE)).notices

        assert (notice.reason, notice.warning) == ("ActionRefused", True)
        assert "Pause of alice: no rollout is under way" in notice.message


NOTHING_TO_DO = {
    "pause when nothing is rolled out": (live(V1), Verb.PAUSE, "no rollout is under way: the stage is Live"),
    "promote when nothing is rolled out": (live(V1), Verb.PROMOTE, "no rollout is under way"),
    "reject when nothing is rolled out": (live(V1), Verb.REJECT, "no rollout is under way"),
    "resume what is not paused": (IN_CANARY, Verb.RESUME, "is not paused"),
    "retry when nothing was rolled back": (live(V1), Verb.RETRY, "nothing to try again"),
    "approve without a review": (IN_CANARY, Verb.APPROVE, "nothing waits for an approval"),
    "promote before the review": (IN_REVIEW, Verb.PROMOTE, "have it approved instead"),
    "roll back when nothing is live": (installing(V1, ready=1), Verb.ROLLBACK, "nothing to go back to"),
    "roll back when nothing was live before": (live(V1), Verb.ROLLBACK, "no version was live before this one"),
}


@pytest.mark.parametrize(("given", "verb", "says"), NOTHING_TO_DO.values(), ids=NOTHING_TO_DO.keys())
def test_what_does_not_fit_is_refused_with_the_reason(given: Observation, verb: Verb, says: str) -> None:
    undisturbed = plan(given, NOW)

    planned = when(given, asked(verb, about=V2 if verb is Verb.APPROVE else None))

    assert answer(planned).outcome is Answer.REFUSED
    assert says in answer(planned).message
    assert planned.actions == undisturbed.actions
    assert planned.status.model_copy(update={"actions": ()}) == undisturbed.status


class TestPause:
    @pytest.mark.parametrize("given", [IN_SHADOW, IN_CANARY, IN_SOAK, IN_REVIEW], ids=lambda one: str(one.status.stage))
    def test_it_holds_everything_as_it_is(self, given: Observation) -> None:
        planned = when(given, asked(Verb.PAUSE, by="bob", reason="fire drill"))

        assert planned.actions == ()
        assert (planned.status.stage, planned.status.weight) == (given.status.stage, given.status.weight)
        assert planned.status.paused == Pause(by="bob", reason="fire drill", at=NOW)
        assert planned.status.conditions[0].reason == "PausedByPerson"
        assert planned.status.conditions[0].message == "paused by bob: fire drill"
        record = planned.records[0]
        assert (record.outcome, record.reason, record.by) == (Outcome.PAUSE, "PausedByPerson", "bob")

    def test_evidence_goes_on_and_harm_rolls_back_all_the_same(self) -> None:
        known = evidence(FEW, of=V2, at=NOW - timedelta(seconds=5))
        paused = with_status(IN_CANARY, paused=Pause(by="bob", reason="fire drill", at=ago(60)))

        planned = plan(replace(paused, evidence=known, reading=reading(BAD)), NOW)

        assert planned.records[0].reason == "EvidenceOfHarm"
        assert (planned.status.rejected, planned.status.paused) == (id_of(V2), None)

    def test_time_that_is_used_up_changes_nothing_while_a_person_holds_it(self) -> None:
        late = rolling(V2, StageName.CANARY, weight=25, seen=FEW, started=3 * 3600)

        planned = when(late, asked(Verb.PAUSE))

        assert planned.status.conditions[0].reason == "PausedByPerson"

    def test_another_version_in_the_spec_ends_it(self) -> None:
        paused = with_status(IN_CANARY, paused=Pause(by="bob", reason="fire drill", at=ago(60)))

        planned = plan(replace(paused, spec=V3, target=id_of(V3)), NOW)

        assert (planned.status.candidate, planned.status.paused) == (id_of(V3), None)

    def test_a_resumed_rollout_goes_on_where_it_was(self) -> None:
        paused = with_status(IN_CANARY, paused=Pause(by="bob", reason="fire drill", at=ago(60)))

        planned = when(paused, asked(Verb.RESUME))

        assert (planned.status.stage, planned.status.weight, planned.status.paused) == ("Canary", 25, None)
        assert planned.records[0].outcome is Outcome.RESUME

    def test_a_rollout_whose_time_was_used_up_has_all_of_it_again(self) -> None:
        late = rolling(V2, StageName.CANARY, weight=25, seen=FEW, started=3 * 3600)
        halted = replace(late, status=plan(late, NOW).status)
        assert halted.status.conditions[0].reason == "Inconclusive"

        resumed = when(halted, asked(Verb.RESUME))
        later = plan(replace(halted, status=resumed.status), NOW + timedelta(hours=2, seconds=-1))
        too_late = plan(replace(halted, status=resumed.status), NOW + timedelta(hours=2))

        assert resumed.status.conditions[0].reason != "Inconclusive"
        assert later.status.conditions[0].reason != "Inconclusive"
        assert too_late.status.conditions[0].reason == "Inconclusive"

    def test_a_rollout_whose_budget_was_spent_has_all_of_it_again(self) -> None:
        rollout = V2.rollout.model_copy(update={"error_budget": 10.0, "on_inconclusive": Inconclusive.PAUSE})
        spent = replace(evidence(FEW, of=V2), spent={"errors": 12.0})
        given = replace(IN_CANARY, spec=V2.model_copy(update={"rollout": rollout}), evidence=spent)
        halted = replace(given, status=plan(given, NOW).status)
        assert halted.status.conditions[0].reason == "Inconclusive"

        planned = when(halted, asked(Verb.RESUME))

        assert planned.status.conditions[0].reason != "Inconclusive"
        written = planned.revisions[id_of(V2)].evidence
        assert written is not None
        assert written.gates[0].spent in (None, 0.0)


class TestPromote:
    @pytest.mark.parametrize("given", [IN_SHADOW, IN_CANARY], ids=["shadow", "canary"])
    def test_it_needs_no_more_evidence(self, given: Observation) -> None:
        planned = when(given, asked(Verb.PROMOTE, by="carol", reason="hotfix"))

        assert (planned.status.stage, planned.status.stable) == ("Soak", id_of(V1))
        record = planned.records[0]
        assert (record.reason, record.by, record.message) == ("PromotedByPerson", "carol", "promoted by carol: hotfix")
        assert answer(planned).outcome is Answer.APPLIED

    def test_traffic_still_waits_for_pods(self) -> None:
        given = rolling(V2, StageName.CANARY, weight=25, replicas=2, seen=FEW)

        planned = when(given, asked(Verb.PROMOTE))

        assert planned.status.weight == 25
        assert not any(isinstance(action, ApplyRoute) for action in planned.actions)

    def test_in_a_soak_it_ends_the_soak(self) -> None:
        planned = when(IN_SOAK, asked(Verb.PROMOTE))

        assert (planned.status.stage, planned.status.stable) == ("Live", id_of(V2))
        assert planned.revisions[id_of(V1)].state is RevisionState.SUPERSEDED

    def test_a_soak_is_not_ended_while_pods_are_missing(self) -> None:
        """Somebody scales up, or a node is lost: the old version's pods are needed."""
        planned = when(rolling(V2, StageName.SOAK, weight=100, since=60, ready=1), asked(Verb.PROMOTE))

        assert (planned.status.stage, planned.status.stable) == ("Soak", id_of(V1))
        assert answer(planned).outcome is Answer.REFUSED
        assert answer(planned).message.startswith("1 of 3 pods of the candidate are ready; ask again")

    def test_it_ends_a_pause(self) -> None:
        paused = with_status(IN_CANARY, paused=Pause(by="bob", reason="fire drill", at=ago(60)))

        planned = when(paused, asked(Verb.PROMOTE))

        assert (planned.status.stage, planned.status.paused) == ("Soak", None)

    def test_harm_is_rolled_back_instead(self) -> None:
        known = evidence(FEW, of=V2, at=NOW - timedelta(seconds=5))
        given = replace(IN_CANARY, evidence=known, reading=reading(BAD))

        planned = when(given, asked(Verb.PROMOTE))

        assert planned.status.rejected == id_of(V2)
        assert answer(planned).outcome is Answer.REFUSED
        assert "rolled back instead" in answer(planned).message


class TestRollbackOfACandidate:
    @pytest.mark.parametrize("given", [IN_SHADOW, IN_CANARY, IN_SOAK, IN_REVIEW], ids=lambda one: str(one.status.stage))
    @pytest.mark.parametrize("verb", [Verb.ROLLBACK, Verb.REJECT])
    def test_its_traffic_ends_in_the_first_action_with_nothing_to_wait_for(
        self, given: Observation, verb: Verb
    ) -> None:
        unreadable = replace(given, reading=Unreadable("connection refused"))
        target = id_of(given.spec)

        planned = when(unreadable, asked(verb, by="dave", reason="customers complain"))

        assert (planned.status.stage, planned.status.stable, planned.status.rejected) == ("Live", id_of(V1), target)
        if given.status.weight:
            assert planned.actions[0] == ApplyRoute(route(V1, V2))
        record = planned.records[0]
        assert (record.outcome, record.by) == (Outcome.ROLL_BACK, "dave")
        assert record.message.endswith(
            "rejected by dave: customers complain" if verb is Verb.REJECT else "asked by dave: customers complain"
        )
        ended = RevisionState.REJECTED if verb is Verb.REJECT else RevisionState.ROLLED_BACK
        assert planned.revisions[target].state is ended

    def test_it_stays_rejected_until_somebody_says_retry(self) -> None:
        back = when(IN_CANARY, asked(Verb.ROLLBACK))
        given = replace(IN_CANARY, status=back.status)

        left_alone = plan(given, NOW)
        tried = when(given, asked(Verb.RETRY, number=2, about=V2))

        assert left_alone.status.rejected == id_of(V2)
        assert (tried.status.rejected, tried.status.candidate, tried.status.stage) == (None, id_of(V2), "Shadow")

    def test_a_spec_that_names_another_version_meanwhile_is_rolled_out_after_it(self) -> None:
        given = replace(IN_CANARY, spec=V3, target=id_of(V3))

        back = when(given, asked(Verb.ROLLBACK))
        after = plan(replace(given, status=back.status), NOW)

        assert back.revisions[id_of(V2)].state is RevisionState.ROLLED_BACK
        assert after.status.candidate == id_of(V3)


class TestReview:
    def approved(self, **changes: object) -> Approval:
        fields: dict[str, object] = {
            "by": "erin",
            "reason": "checked the card",
            "digest": revision_spec(REVIEWED).digest,
            "at": ago(60),
            "expires_at": NOW + timedelta(hours=1),
        }
        return Approval.model_validate({**fields, **changes})

    def test_it_follows_the_shadow_and_gives_no_user_an_answer_of_the_candidate(self) -> None:
        passing = rolling(REVIEWED, StageName.SHADOW, live=V1, seen=GOOD, since=60)

        planned = plan(replace(passing, reading=reading(GOOD)), NOW)

        assert (planned.status.stage, planned.status.weight) == ("Review", 0)

    def test_it_waits_and_says_for_whom(self) -> None:
        planned = plan(IN_REVIEW, NOW)

        assert planned.status.stage is StageName.REVIEW
        said = {c.type: (c.status, c.message) for c in planned.status.conditions}
        assert said["AwaitingReview"] == ("True", "version 2 waits for an approval")
        assert (said["Reconciling"][0], said["Stalled"][0], said["Paused"][0]) == ("True", "False", "False")

    def test_it_takes_none_of_the_time_of_the_rollout(self) -> None:
        long = rolling(REVIEWED, StageName.REVIEW, live=V1, started=9 * 3600, since=8 * 3600)
        waiting = plan(long, NOW)
        approved = plan(with_status(long, approval=self.approved()), NOW)

        assert waiting.status.stage is StageName.REVIEW
        assert (approved.status.stage, approved.status.resumed_at) == ("Canary", NOW)

    def test_an_approval_of_this_candidate_lets_it_go_on(self) -> None:
        planned = when(IN_REVIEW, asked(Verb.APPROVE, about=REVIEWED, by="erin", reason="checked the card"))

        assert planned.status.stage is StageName.CANARY
        assert planned.records[0].message == "approved by erin: checked the card"
        assert planned.records[0].by == "erin"

    def test_an_approval_may_be_given_before_the_review_begins(self) -> None:
        shadow = rolling(REVIEWED, StageName.SHADOW, live=V1, seen=FEW)

        planned = when(shadow, asked(Verb.APPROVE, about=REVIEWED))
        later = plan(with_status(IN_REVIEW, approval=planned.status.approval), NOW)

        assert planned.status.stage is StageName.SHADOW
        assert later.status.stage is StageName.CANARY

    @pytest.mark.parametrize(
        "approval",
        [{"digest": "0" * 64}, {"expires_at": NOW}],
        ids=["of another candidate", "expired"],
    )
    def test_an_approval_that_does_not_hold_lets_nothing_pass(self, approval: dict[str, object]) -> None:
        planned = plan(with_status(IN_REVIEW, approval=self.approved(**approval)), NOW)

        assert planned.status.stage is StageName.REVIEW

    def test_an_approval_of_another_digest_is_refused(self) -> None:
        planned = when(IN_REVIEW, asked(Verb.APPROVE, about=V3))

        assert answer(planned).outcome is Answer.REFUSED
        assert (planned.status.approval, planned.status.stage) == (None, "Review")

    @pytest.mark.parametrize("role", [None, "developer"])
    def test_an_approval_in_another_role_is_refused(self, role: str | None) -> None:
        stages = (Stage(review=ReviewStage(role="model-risk")), CANARY)
        given = rolling(spec("2", stages=stages), StageName.REVIEW, live=V1)

        refused = when(given, asked(Verb.APPROVE, about=given.spec, role=role))
        accepted = when(given, asked(Verb.APPROVE, about=given.spec, role="model-risk"))

        assert "approve it with role model-risk" in answer(refused).message
        assert (refused.status.stage, accepted.status.stage) == ("Review", "Canary")

    def test_an_approval_is_void_for_the_next_candidate(self) -> None:
        shadow = rolling(REVIEWED, StageName.SHADOW, live=V1, seen=FEW)
        approved = with_status(shadow, approval=self.approved())

        planned = plan(replace(approved, spec=V3, target=id_of(V3)), NOW)

        assert (planned.status.candidate, planned.status.approval) == (id_of(V3), None)

    def test_a_review_that_comes_first_costs_no_pods(self) -> None:
        of = spec("2", stages=(REVIEW, CANARY, SOAK))

        planned = plan(live(of, live=V1), NOW)
        made = {str(action) for action in planned.actions if "ApplyWorkload" in str(action)}

        assert planned.status.stage is StageName.REVIEW
        assert made == {f"ApplyWorkload(revision='{id_of(of)}', replicas=0)"}

    def test_without_the_stage_it_goes_on(self) -> None:
        given = rolling(V2, StageName.REVIEW)

        planned = plan(given, NOW)

        assert (planned.status.stage, planned.records[0].reason) == ("Canary", "ReviewRemoved")


def test_every_stage_of_a_rollout_can_be_asked_about() -> None:
    assert set(StageName) - set(ROLLING) == {StageName.INSTALL, StageName.LIVE, StageName.ROLLBACK}
