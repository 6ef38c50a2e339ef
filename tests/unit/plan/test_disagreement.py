"""A candidate that answers differently waits for a person, who looks and says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.gates import Gate, OnDisagreement, Signal
from modelrollout.api.modeldeployment import Approval, ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rollout import Inconclusive
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.evidence import Verdict
from modelrollout.plan import Plan, plan
from modelrollout.plan.gates import gathered
from modelrollout.plan.observation import CandidateEvidence, Observation, Reading
from tests.builders import (
    BAD,
    CANARY,
    ERRORS,
    GOOD,
    NOW,
    REVIEW,
    SHADOW,
    SOAK,
    Arms,
    asked,
    id_of,
    interval,
    rolling,
    spec,
)

SAME = Gate(name="same", signal=Signal.AGREEMENT, target=0.98)
DIFFERENT: Arms = ((400, 60), (40, 0))
ALIKE: Arms = ((400, 0), (40, 0))


def observed(**wanted: object) -> ModelDeploymentSpec:
    return spec("2", gates=(ERRORS, SAME), **wanted)  # type: ignore[arg-type]


def known(of: ModelDeploymentSpec, arms: Mapping[str, Arms], *, looks: int = 8) -> CandidateEvidence:
    found: CandidateEvidence | None = None
    for look in range(looks):
        at = NOW - timedelta(seconds=5 * (looks - 1 - look))
        intervals = {name: interval(seen) for name, seen in arms.items()} if look else {}
        reading = Reading(at=at, intervals=intervals)
        found = gathered(rollout=of.rollout, revision=id_of(of), evidence=found, reading=reading, split_changed_at=None)
    assert found is not None
    return found


def given(
    stage: StageName = StageName.SHADOW,
    *,
    same: Arms = DIFFERENT,
    errors: Arms = GOOD,
    of: ModelDeploymentSpec | None = None,
    weight: int = 0,
    started: float = 600,
) -> Observation:
    of = of or observed()
    seen = known(of, {"errors": errors, "same": same})
    return rolling(of, stage, weight=weight, seen=seen, started=started)


def reason(planned: Plan, kind: str = "Ready") -> str:
    return next(c.reason for c in planned.status.conditions if c.type == kind)


def is_true(planned: Plan, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in planned.status.conditions)


def after(before: Observation, planned: Plan) -> Observation:
    """As the next plan finds it."""
    return replace(before, status=planned.status, evidence=planned.evidence)


@pytest.mark.parametrize(("stage", "weight"), [(StageName.SHADOW, 0), (StageName.CANARY, 25)])
def test_it_waits_where_it_is_with_the_numbers_of_both(stage: StageName, weight: int) -> None:
    planned = plan(given(stage, weight=weight), NOW)

    assert (planned.status.stage, planned.status.weight) == (stage, weight)
    assert reason(planned) == "Disagreement"
    assert is_true(planned, "AwaitingReview")
    assert not is_true(planned, "Stalled")
    (record,) = planned.records
    assert (record.outcome, record.reason, record.verdict) == (Outcome.PAUSE, "Disagreement", "Disagreement")
    gate = record.gates[1]
    assert (gate.candidate.requests, gate.candidate.bad, gate.stable.requests) == (2800, 420, 280)
    assert gate.bound is not None
    assert gate.detail == "noise floor 0 %"
    assert "420 of 2800 (15 %)" in record.message
    assert "0 of 280 (0 %)" in record.message
    assert "/services/fraud-observer:9090/proxy/disagreements" in record.message
    assert planned.notices[0].warning


def test_it_is_told_once_and_evidence_goes_on() -> None:
    first = given()
    planned = plan(after(first, plan(first, NOW)), NOW + timedelta(seconds=1))
    assert planned.records == ()
    assert reason(planned) == "Disagreement"
    assert planned.wants_readings


@pytest.mark.parametrize("on_inconclusive", list(Inconclusive))
def test_a_person_may_take_longer_than_the_rollout(on_inconclusive: Inconclusive) -> None:
    of = observed(max_duration="10m", on_inconclusive=on_inconclusive)
    planned = plan(given(of=of, started=100_000), NOW)
    assert reason(planned) == "Disagreement"


def test_harm_that_another_gate_finds_does_not_wait() -> None:
    planned = plan(given(errors=BAD), NOW)
    assert planned.status.rejected == id_of(observed())
    assert reason(planned) == "EvidenceOfHarm"


def test_it_is_no_harm_however_much_there_is_of_it() -> None:
    planned = plan(given(same=((4000, 4000), (400, 0))), NOW)
    assert planned.status.rejected is None
    assert planned.judgement is not None
    assert planned.judgement.log_harm < planned.judgement.harm_threshold


def test_where_the_policy_says_so_it_rolls_back() -> None:
    rolls_back = SAME.model_copy(update={"on_disagreement": OnDisagreement.ROLLBACK})
    of = observed()
    of = of.model_copy(update={"rollout": of.rollout.model_copy(update={"gates": (ERRORS, rolls_back)})})
    planned = plan(given(of=of), NOW)
    assert planned.status.rejected == id_of(of)
    assert planned.records[0].gate == "same"
    assert "differ from the live version's" in planned.records[0].message


def test_an_approval_accepts_what_was_found_and_the_stage_goes_on() -> None:
    waiting = given()
    waiting = after(waiting, plan(waiting, NOW))
    of = waiting.spec
    later = NOW + timedelta(seconds=2)

    planned = plan(replace(waiting, actions=(asked(Verb.APPROVE, about=of, by="olga"),)), later)

    assert planned.status.approval is not None
    assert planned.status.approval.accepts == ("same",)
    assert planned.answers[0].outcome is Answer.APPLIED
    assert not is_true(planned, "AwaitingReview")
    assert planned.status.stage is StageName.CANARY, "every gate is safe, one of them because a person says so"
    assert planned.judgement is not None
    assert planned.judgement.gates[1].verdict is Verdict.Pass
    assert planned.status.resumed_at == later, "what the person took is not of the rollout's time"


def test_an_acceptance_is_on_record_where_nothing_else_is() -> None:
    waiting = given(errors=((20, 0), (60, 0)))
    waiting = after(waiting, plan(waiting, NOW))
    planned = plan(replace(waiting, actions=(asked(Verb.APPROVE, about=waiting.spec, by="olga"),)), NOW)
    (record,) = planned.records
    assert (record.outcome, record.reason, record.by) == (Outcome.RESUME, "DisagreementAccepted", "olga")


def test_it_outlasts_the_approval() -> None:
    of = observed()
    before = given()
    approval = Approval(
        by="olga",
        reason="it is better",
        digest=before.revisions[id_of(of)].spec.digest,
        at=NOW - timedelta(hours=5),
        expires_at=NOW - timedelta(hours=1),
        accepts=("same",),
    )
    approved = replace(before, status=before.status.model_copy(update={"approval": approval}))
    assert reason(plan(approved, NOW)) != "Disagreement"
    other = approval.model_copy(update={"digest": "0" * 64})
    foreign = replace(before, status=before.status.model_copy(update={"approval": other}))
    assert reason(plan(foreign, NOW)) == "Disagreement"


def test_an_approval_of_before_accepts_nothing_that_was_found_since() -> None:
    of = observed(stages=(SHADOW, REVIEW, CANARY, SOAK))
    early = replace(given(of=of, same=ALIKE), actions=(asked(Verb.APPROVE, about=of),))
    planned = plan(early, NOW)
    assert planned.status.approval is not None
    assert planned.status.approval.accepts == ()


def test_without_a_disagreement_or_a_review_there_is_nothing_to_approve() -> None:
    planned = plan(replace(given(same=ALIKE), actions=(asked(Verb.APPROVE, about=observed()),)), NOW)
    assert planned.answers[0].outcome is Answer.REFUSED


def test_a_rejection_ends_it() -> None:
    waiting = given()
    waiting = after(waiting, plan(waiting, NOW))
    planned = plan(replace(waiting, actions=(asked(Verb.REJECT),)), NOW)
    assert planned.status.rejected == id_of(waiting.spec)
    assert planned.revisions[id_of(waiting.spec)].state is RevisionState.REJECTED


def test_a_promotion_goes_to_all_traffic_without_another_look() -> None:
    waiting = given(StageName.CANARY, weight=25)
    waiting = after(waiting, plan(waiting, NOW))
    planned = plan(replace(waiting, actions=(asked(Verb.PROMOTE),)), NOW)
    assert planned.status.stage is StageName.SOAK
    assert planned.records[0].reason == "PromotedByPerson"


def test_few_pairs_are_insufficient_and_say_how_many_are_missing() -> None:
    planned = plan(given(same=((40, 0), (4, 0))), NOW)
    ready = planned.status.conditions[0]
    assert ready.reason == "Shadowing"
    assert "gate same needs about" in ready.message
    assert "more pairs" in ready.message


def test_no_pair_at_all_is_no_pass() -> None:
    planned = plan(given(same=((0, 0), (0, 0))), NOW)
    ready = planned.status.conditions[0]
    assert (planned.status.stage, ready.reason) == (StageName.SHADOW, "NoData")
    assert "gate same: no answers have been compared yet; the observer is not ready" in ready.message


def test_when_the_verdict_is_to_be_expected_follows_from_pairs_a_second() -> None:
    before = given(same=((40, 0), (4, 0)))
    assert before.evidence is not None
    reading = Reading(
        at=NOW + timedelta(seconds=5),
        intervals={"errors": interval(GOOD), "same": interval(((100, 0), (10, 0)))},
    )
    planned = plan(replace(before, reading=reading), NOW + timedelta(seconds=6))
    assert planned.evidence is not None
    assert planned.evidence.pairs_per_second == 20
    assert planned.status.expected_verdict_at is not None
    assert 10 < (planned.status.expected_verdict_at - NOW).total_seconds() < 120
