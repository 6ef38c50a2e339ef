"""The gate before any traffic: a candidate whose contract breaks that of the live version gets none."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from modelrollout.api.contract import Breaking, ContractCheck, ContractSource, Judged, Severity, Verify
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import Inconclusive
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.data.compatibility import Finding
from modelrollout.plan import Observation, Plan, plan
from modelrollout.plan.actions import ApplyRoute, ApplyWorkload, CreateRevision
from modelrollout.plan.observation import Verification
from tests.builders import (
    CANARY,
    FEW,
    GOOD,
    NOW,
    REVIEW,
    SHADOW,
    SOAK,
    ago,
    asked,
    id_of,
    installing,
    live,
    observation,
    rolling,
    spec,
)

AMOUNT = {"name": "amount", "type": "float"}
AGE = {"name": "merchant_age", "type": "int"}
OLD: dict[str, Any] = {"inputs": [AMOUNT]}
NEW: dict[str, Any] = {"inputs": [AMOUNT, AGE]}
WIDER: dict[str, Any] = {"inputs": [AMOUNT, {**AGE, "required": False}]}
V1 = spec("1", contract=OLD)
SENTENCE = (
    "inputs[merchant_age]: a new input that every request needs; make it required: false, or have callers send it"
)


def template(pipeline: str | None) -> dict[str, Any]:
    annotations = {"modelrollout.dev/feature-pipeline": pipeline} if pipeline else {}
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "server", "image": "fraud:2"}]}}


def check_of(planned: Plan, of: ModelDeploymentSpec) -> ContractCheck:
    check = planned.revisions[id_of(of)].contract
    assert check is not None
    return check


def judged(given: Observation, planned: Plan) -> Observation:
    """The same, after what was planned has been written."""
    views = {id: replace(view, status=planned.revisions.get(id, view.status)) for id, view in given.revisions.items()}
    return replace(given, status=planned.status, revisions=views, actions=())


@pytest.mark.parametrize("stage", [StageName.SHADOW, StageName.CANARY, StageName.SOAK])
def test_a_candidate_that_breaks_the_contract_is_rejected_in_whatever_stage_it_would_get_traffic(
    stage: StageName,
) -> None:
    broken = spec("2", contract=NEW)

    planned = plan(rolling(broken, stage, live=V1), NOW)

    assert planned.status.stage is StageName.LIVE
    assert planned.status.rejected == id_of(broken)
    written = planned.revisions[id_of(broken)]
    assert written.state is RevisionState.REJECTED
    assert written.ended == "ContractBroken"
    record = written.decisions[-1]
    assert (record.outcome, record.reason, record.weight) == (Outcome.ROLL_BACK, "ContractBroken", 0)
    assert record.message == (
        f"version 2 was rejected before any traffic: it breaks the contract of version 1: {SENTENCE}; for a break that "
        "is meant, set contract.breaking to Review or Allow and ask for a Retry"
    )
    assert (check_of(planned, broken).outcome, check_of(planned, broken).against) == (Judged.BROKEN, id_of(V1))
    assert planned.notices[0].reason == "ContractBroken"


def test_no_pod_is_started_for_a_candidate_that_will_be_rejected() -> None:
    broken = spec("2", contract=NEW)

    planned = plan(live(broken, live=V1), NOW)

    assert CreateRevision(revision=id_of(broken)) in planned.actions
    assert ApplyWorkload(revision=id_of(broken), replicas=0) in planned.actions


def test_pods_are_started_at_once_for_a_candidate_that_keeps_its_contract() -> None:
    kept = spec("2", contract=WIDER)

    assert ApplyWorkload(revision=id_of(kept), replicas=3) in plan(live(kept, live=V1), NOW).actions


def test_a_candidate_that_keeps_the_contract_goes_on_and_differences_are_kept_with_it() -> None:
    kept = spec("2", contract=WIDER)

    planned = plan(rolling(kept, StageName.SHADOW, live=V1, seen=FEW), NOW)

    assert planned.status.stage is StageName.SHADOW
    check = check_of(planned, kept)
    assert check.outcome is Judged.KEPT
    assert [(one.severity, one.field) for one in check.findings] == [("Note", "inputs[merchant_age]")]
    assert not planned.records


def test_a_gate_that_was_passed_is_neither_judged_nor_written_again() -> None:
    kept = spec("2", contract=WIDER)
    given = rolling(kept, StageName.SHADOW, live=V1, seen=FEW)

    again = plan(judged(given, plan(given, NOW)), NOW)

    assert id_of(kept) not in again.revisions or again.revisions[id_of(kept)].contract is not None
    assert not again.actions


def test_a_candidate_that_has_traffic_already_is_left_to_the_evidence() -> None:
    broken = spec("2", contract=NEW)

    assert plan(rolling(broken, StageName.CANARY, live=V1, weight=5, seen=FEW), NOW).status.rejected is None


@pytest.mark.parametrize("contract", [None, {"inputs": [{"name": "amount", "type": "a form of another time"}]}])
def test_a_live_version_without_a_contract_that_can_be_read_is_a_note(contract: dict[str, Any] | None) -> None:
    stable = spec("1")
    given = rolling(spec("2", contract=NEW), StageName.SHADOW, live=stable, seen=FEW)
    view = given.revisions[id_of(stable)]
    view = replace(view, spec=view.spec.model_copy(update={"contract": contract}))

    planned = plan(replace(given, revisions={**given.revisions, view.id: view}), NOW)

    check = check_of(planned, spec("2", contract=NEW))
    assert check.outcome is Judged.KEPT
    assert "the live version's contract" in check.findings[0].message


def test_without_a_contract_in_the_spec_nothing_is_judged() -> None:
    planned = plan(rolling(spec("2"), StageName.SHADOW, live=V1, seen=FEW), NOW)

    assert planned.status.stage is StageName.SHADOW
    assert all(status.contract is None for status in planned.revisions.values())


class TestAllowed:
    BROKEN = spec("2", contract=NEW, breaking=Breaking.ALLOW)

    def test_a_break_that_is_allowed_is_on_record_and_goes_on(self) -> None:
        given = rolling(self.BROKEN, StageName.SHADOW, live=V1, seen=FEW)

        planned = plan(given, NOW)

        assert planned.revisions[id_of(self.BROKEN)].decisions[-1].reason == "ContractBreakAllowed"
        assert SENTENCE in planned.records[0].message
        assert plan(judged(given, planned), NOW).status.stage is StageName.SHADOW
        assert not plan(judged(given, planned), NOW).records

    def test_its_pods_are_started_at_once(self) -> None:
        assert ApplyWorkload(revision=id_of(self.BROKEN), replicas=3) in plan(live(self.BROKEN, live=V1), NOW).actions


class TestReviewed:
    BROKEN = spec("2", contract=NEW, breaking=Breaking.REVIEW, max_duration="1h")

    def given(self, *, since: float = 60) -> Observation:
        return rolling(self.BROKEN, StageName.SHADOW, live=V1, ready=0, replicas=0, since=since)

    def waiting(self, *, since: float = 60) -> Observation:
        given = self.given(since=since)
        return judged(given, plan(given, NOW))

    def test_it_waits_for_a_person_with_the_findings_and_without_pods(self) -> None:
        planned = plan(self.given(), NOW)

        conditions = {one.type: one for one in planned.status.conditions}
        assert conditions["AwaitingReview"].status == "True"
        assert conditions["AwaitingReview"].reason == "ContractReview"
        assert SENTENCE in conditions["AwaitingReview"].message
        assert not [one for one in planned.actions if isinstance(one, ApplyRoute | ApplyWorkload)]

    def test_it_waits_as_long_as_it_takes(self) -> None:
        assert plan(self.waiting(since=7200), NOW).status.conditions == self.waiting(since=7200).status.conditions

    def test_an_approval_lets_it_pass_and_its_time_begins_anew(self) -> None:
        waiting = self.waiting(since=7200)

        planned = plan(replace(waiting, actions=(asked(Verb.APPROVE, about=self.BROKEN),)), NOW)

        assert planned.answers[0].outcome is Answer.APPLIED
        record = planned.records[0]
        assert (record.reason, record.by) == ("ContractBreakApproved", "alice")
        assert check_of(planned, self.BROKEN).outcome is Judged.APPROVED
        assert planned.status.resumed_at == NOW
        going_on = plan(judged(waiting, planned), NOW)
        assert ApplyWorkload(revision=id_of(self.BROKEN), replicas=3) in going_on.actions
        assert going_on.status.stage is StageName.SHADOW

    def test_a_promotion_by_a_person_does_not_go_round_it(self) -> None:
        planned = plan(replace(self.waiting(), actions=(asked(Verb.PROMOTE),)), NOW)

        assert planned.answers[0].outcome is Answer.REFUSED
        assert planned.status.weight == 0

    def test_nobody_copies_requests_to_it_while_a_person_pauses_the_rollout(self) -> None:
        ready = judged(self.given(), plan(self.given(), NOW))
        full = rolling(self.BROKEN, StageName.SHADOW, live=V1).revisions[id_of(self.BROKEN)]
        view = replace(full, status=ready.revisions[id_of(self.BROKEN)].status)
        ready = replace(ready, revisions={**ready.revisions, view.id: view})

        planned = plan(replace(ready, actions=(asked(Verb.PAUSE),)), NOW)

        assert planned.status.paused is not None
        assert not [one for one in planned.actions if isinstance(one, ApplyRoute) and one.route.mirror is not None]

    def test_one_approval_is_enough_for_it_and_for_the_review_stage(self) -> None:
        of = spec("2", contract=NEW, breaking=Breaking.REVIEW, stages=(REVIEW, CANARY, SOAK))
        given = rolling(of, StageName.REVIEW, live=V1, ready=0, replicas=0)
        given = judged(given, plan(given, NOW))

        passed = plan(replace(given, actions=(asked(Verb.APPROVE, about=of),)), NOW)
        reviewed = plan(judged(given, passed), NOW)

        assert (passed.records[0].reason, reviewed.records[0].reason) == ("ContractBreakApproved", "Approved")
        assert reviewed.status.stage is StageName.CANARY


class TestRetried:
    def test_a_rejected_break_may_be_tried_again_under_another_policy(self) -> None:
        broken = spec("2", contract=NEW)
        rejected = judged(
            rolling(broken, StageName.SHADOW, live=V1), plan(rolling(broken, StageName.SHADOW, live=V1), NOW)
        )
        allowing = replace(rejected, spec=spec("2", contract=NEW, breaking=Breaking.ALLOW))

        retried = plan(replace(allowing, actions=(asked(Verb.RETRY),)), NOW)
        going_on = plan(judged(allowing, retried), NOW)

        assert retried.status.candidate == id_of(broken)
        assert going_on.records[0].reason == "ContractBreakAllowed"


class TestSkew:
    TRAINED: ClassVar[dict[str, Any]] = {"inputs": [AMOUNT], "featurePipeline": "sha256:aaaa"}

    @pytest.mark.parametrize("breaking", list(Breaking))
    def test_features_that_are_made_otherwise_than_in_training_are_rejected_whatever_the_policy(
        self, breaking: Breaking
    ) -> None:
        skewed = spec("2", contract=self.TRAINED, breaking=breaking, template=template("sha256:bbbb"))

        planned = plan(rolling(skewed, StageName.SHADOW, live=V1), NOW)

        record = planned.records[0]
        assert (record.reason, planned.status.rejected) == ("FeaturePipelineSkew", id_of(skewed))
        assert "made by sha256:aaaa for training and are made by sha256:bbbb in serving" in record.message
        assert check_of(planned, skewed).outcome is Judged.SKEWED

    def test_the_same_pipeline_passes_and_one_that_is_not_told_is_a_note(self) -> None:
        for pipeline, notes in (("sha256:aaaa", []), (None, ["featurePipeline"])):
            of = spec("2", contract=self.TRAINED, template=template(pipeline))
            check = check_of(plan(rolling(of, StageName.SHADOW, live=V1, seen=FEW), NOW), of)
            assert check.outcome is Judged.KEPT
            assert [one.field for one in check.findings] == notes

    def test_a_first_version_with_skew_is_not_installed_and_says_so(self) -> None:
        skewed = spec("1", contract=self.TRAINED, template=template("sha256:bbbb"))

        planned = plan(observation(skewed), NOW)

        assert not planned.actions
        stalled = next(one for one in planned.status.conditions if one.type == "Stalled")
        assert (stalled.status, stalled.reason) == ("True", "FeaturePipelineSkew")
        mended = spec("1", contract=self.TRAINED, template=template("sha256:aaaa"))
        assert plan(replace(observation(mended), status=planned.status), NOW).actions

    def test_a_first_version_that_is_there_already_is_not_taken_away(self) -> None:
        skewed = spec("1", contract=self.TRAINED, template=template("sha256:bbbb"))

        assert plan(installing(skewed, ready=3), NOW).status.stage is StageName.LIVE


def test_time_that_runs_out_elsewhere_promotes_nothing_that_is_rejected_for_its_contract() -> None:
    broken = spec("2", contract=NEW, max_duration="1m", on_inconclusive=Inconclusive.PROMOTE)

    assert plan(rolling(broken, StageName.CANARY, live=V1, since=600), NOW).status.rejected == id_of(broken)


def test_harm_has_its_own_reason_even_where_the_contract_is_broken_too() -> None:
    broken = spec("2", contract=NEW, stages=(SHADOW, CANARY))
    given = rolling(broken, StageName.SHADOW, live=V1, seen=((400, 80), (400, 0)))

    assert plan(given, NOW).records[0].reason == "EvidenceOfHarm"


def test_good_evidence_opens_no_gate() -> None:
    broken = spec("2", contract=NEW)

    planned = plan(rolling(broken, StageName.SHADOW, live=V1, seen=GOOD, since=600), NOW)

    assert planned.records[0].reason == "ContractBroken"
    assert planned.revisions[id_of(broken)].traffic_ended_at == NOW


class TestVerified:
    """What the candidate's pods say, asked for before any traffic where the policy wants it."""

    KEPT = spec("2", contract=OLD)

    def given(self, *, ready: int = 3, breaking: Breaking = Breaking.REJECT, **more: Any) -> Observation:
        source = ContractSource(inline=OLD, verify=Verify(served=True), breaking=breaking)
        of = self.KEPT.model_copy(update={"contract": source})
        return replace(rolling(of, StageName.SHADOW, live=V1, ready=ready, seen=FEW), **more)

    def told(self, *findings: Finding, unanswered: str | None = None) -> Verification:
        return Verification(revision=id_of(self.KEPT), findings=findings, unanswered=unanswered)

    BROKEN = Finding(severity=Severity.BREAKING, field="outputs[score]", message="the server gives no such output")

    def test_its_pods_are_started_and_get_no_copies_while_they_are_asked(self) -> None:
        given = self.given()
        assert given.route is not None
        given = replace(given, route=replace(given.route, mirror=None))

        planned = plan(given, NOW)

        assert planned.wants_verification
        assert not [one for one in planned.actions if isinstance(one, ApplyRoute)]
        ready = next(one for one in planned.status.conditions if one.type == "Ready")
        assert ready.reason == "VerifyingContract"
        check = check_of(planned, self.KEPT)
        assert (check.outcome, check.verified_at) == (Judged.KEPT, None)

    def test_pods_that_are_not_ready_are_not_asked(self) -> None:
        planned = plan(self.given(ready=0), NOW)

        assert not planned.wants_verification
        assert next(one for one in planned.status.conditions if one.type == "Ready").reason == "WaitingForPods"

    def test_an_answer_that_fits_opens_the_gate_for_good(self) -> None:
        given = self.given(verification=self.told())

        planned = plan(given, NOW)
        again = plan(replace(judged(given, planned), verification=None), NOW)

        assert check_of(planned, self.KEPT).verified_at == NOW
        assert not planned.wants_verification
        assert not again.wants_verification
        assert again.status.stage is StageName.SHADOW

    def test_no_answer_holds_with_its_reason_and_passes_nothing(self) -> None:
        planned = plan(self.given(verification=self.told(unanswered="GET …: no answer within 10 s")), NOW)

        ready = next(one for one in planned.status.conditions if one.type == "Ready")
        assert (ready.reason, ready.message) == ("ContractUnverified", "holding: GET …: no answer within 10 s")
        assert planned.wants_verification
        assert planned.status.weight == 0

    def test_what_was_told_of_another_candidate_is_no_answer(self) -> None:
        other = Verification(revision="0123456789")

        assert plan(self.given(verification=other), NOW).wants_verification

    def test_pods_that_serve_something_else_are_taken_back(self) -> None:
        planned = plan(self.given(verification=self.told(self.BROKEN)), NOW)

        record = planned.records[0]
        assert (record.reason, planned.status.rejected) == ("ContractNotServed", id_of(self.KEPT))
        assert "its pods do not serve what its contract says: outputs[score]: the server gives no" in record.message

    def test_the_policy_may_let_it_pass(self) -> None:
        given = self.given(breaking=Breaking.ALLOW, verification=self.told(self.BROKEN))

        planned = plan(given, NOW)

        assert planned.records[0].reason == "ContractBreakAllowed"
        assert check_of(planned, self.KEPT).verified_at == NOW
        assert not plan(judged(given, planned), NOW).records

    def test_a_person_may_let_it_pass(self) -> None:
        given = self.given(breaking=Breaking.REVIEW, verification=self.told(self.BROKEN))
        waiting = judged(given, plan(given, NOW))

        planned = plan(replace(waiting, actions=(asked(Verb.APPROVE, about=self.KEPT),)), NOW)

        assert plan(given, NOW).wants_verification
        assert planned.records[0].reason == "ContractBreakApproved"
        assert plan(judged(waiting, planned), NOW).status.stage is StageName.SHADOW

    def test_a_rollout_that_is_held_so_long_ends_as_the_policy_says(self) -> None:
        given = self.given(verification=self.told(unanswered="nobody is there"))
        late = replace(given, status=given.status.model_copy(update={"rollout_started_at": ago(7300)}))

        planned = plan(late, NOW)

        paused = next(one for one in planned.status.conditions if one.type == "Paused")
        assert paused.status == "True"
        assert "nobody is there" in paused.message
        assert not [one for one in planned.actions if isinstance(one, ApplyRoute) and one.route.mirror is not None]

    def test_a_promotion_by_a_person_does_not_go_round_it(self) -> None:
        given = self.given(verification=self.told(unanswered="nobody is there"))
        promoted = plan(replace(given, actions=(asked(Verb.PROMOTE),)), NOW)

        after = plan(replace(judged(given, promoted), verification=given.verification), NOW)

        assert promoted.status.stage is StageName.SOAK
        assert (after.status.weight, after.wants_verification) == (0, True)
