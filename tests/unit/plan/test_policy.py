"""Gates and error rates belong to the evidence that was gathered under them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.gates import Gate, Signal, Tolerance
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.api.rollout import ErrorRates, Inconclusive, Rollout
from modelrollout.plan import plan
from modelrollout.plan.gates import gathered, judged, policy_digest, restored, stored
from modelrollout.plan.observation import Observation
from tests.builders import (
    BAD,
    CANARY,
    ERRORS,
    FEW,
    GOOD,
    LATENCY,
    NOW,
    SOAK,
    ago,
    counted,
    evidence,
    id_of,
    reading,
    rolling,
    spec,
)

V2 = spec("2")
STRICTER = Gate(name="errors", signal=Signal.ERRORS, tolerate=Tolerance(ratio=1.0))


def edited(*gates: Gate, seen: tuple[tuple[float, float], tuple[float, float]] = FEW) -> Observation:
    """The gates were edited in the middle of a canary, and then a reading came."""
    given = rolling(V2, StageName.CANARY, weight=25, since=30)
    before = evidence(seen, of=V2, at=NOW - timedelta(seconds=5))
    return replace(given, spec=spec("2", gates=gates), evidence=before, reading=reading(GOOD, gates=gates))


def test_edited_gates_start_the_evidence_again_and_say_so() -> None:
    planned = plan(edited(STRICTER), NOW)

    assert planned.evidence is not None
    assert counted(planned.evidence).candidate.total == 0
    assert planned.evidence.policy == policy_digest(spec("2", gates=(STRICTER,)).rollout)
    record = planned.revisions[id_of(V2)].decisions[-1]
    assert (record.outcome, record.reason) == (Outcome.RESTART, "EvidenceRestarted")
    assert [notice.reason for notice in planned.notices] == ["EvidenceRestarted"]
    assert (planned.status.stage, planned.status.weight) == ("Canary", 25)


def test_the_new_evidence_is_written_at_once() -> None:
    planned = plan(edited(STRICTER), NOW)

    written = planned.revisions[id_of(V2)].evidence
    assert written is not None
    assert planned.evidence is not None
    assert written.policy == planned.evidence.policy


def test_a_second_edit_is_on_the_record_too() -> None:
    given = edited(STRICTER)
    before = plan(rolling(V2, StageName.CANARY, weight=25, since=30, seen=FEW), ago(20)).status
    given = replace(given, status=given.status.model_copy(update={"conditions": before.conditions}))
    first = plan(given, NOW)
    view = replace(given.revisions[id_of(V2)], status=first.revisions[id_of(V2)])
    later = NOW + timedelta(seconds=5)
    again = replace(
        given,
        status=first.status,
        revisions={**given.revisions, view.id: view},
        spec=spec("2", gates=(STRICTER, LATENCY)),
        evidence=first.evidence,
        reading=reading(FEW, at=later),
    )

    decisions = plan(again, later).revisions[id_of(V2)].decisions

    assert [record.outcome for record in decisions] == [Outcome.RESTART, Outcome.RESTART]


def test_harm_under_the_old_gates_is_not_held_against_the_candidate_under_the_new_ones() -> None:
    given = edited(STRICTER, seen=BAD)

    assert plan(given, NOW).status.rejected is None
    assert plan(replace(given, reading=None), NOW).status.rejected is None


def test_safety_under_the_old_gates_lets_nothing_through_under_the_new_ones() -> None:
    given = rolling(V2, StageName.CANARY, weight=50, seen=GOOD)

    planned = plan(replace(given, spec=spec("2", gates=(STRICTER,))), NOW)

    assert planned.status.stage is StageName.CANARY
    assert planned.status.conditions[0].reason == "WaitingForMetrics"


def test_edited_stages_and_times_keep_the_evidence() -> None:
    given = replace(edited(ERRORS), spec=spec("2", stages=(CANARY, SOAK), max_duration="4h"))

    planned = plan(given, NOW)

    assert planned.evidence is not None
    assert counted(planned.evidence).candidate.total == 4020


@pytest.mark.parametrize(
    "rollout",
    [
        spec(gates=(STRICTER,)).rollout,
        spec(gates=(ERRORS, LATENCY)).rollout,
        V2.rollout.model_copy(update={"error_rates": ErrorRates(false_rollback=0.02)}),
    ],
)
def test_the_digest_of_a_policy_changes_with_gates_and_error_rates(rollout: Rollout) -> None:
    assert policy_digest(rollout) != policy_digest(V2.rollout)


def test_the_digest_of_a_policy_does_not_change_with_stages_and_times() -> None:
    other = spec("2", stages=(CANARY,), max_duration="4h", on_inconclusive=Inconclusive.PROMOTE)

    assert policy_digest(other.rollout) == policy_digest(V2.rollout)


def test_a_gate_that_cannot_be_read_holds_with_its_reason_while_the_others_can() -> None:
    gates = (ERRORS, LATENCY)
    of = spec("2", gates=gates)
    given = rolling(of, StageName.CANARY, weight=50, seen=GOOD)
    read = reading(GOOD, gates=(ERRORS,), missing={"latency": "gate latency: the server has no bucket at 500ms"})

    planned = plan(replace(given, reading=read), NOW)

    assert planned.status.stage is StageName.CANARY
    assert "the server has no bucket at 500ms" in planned.status.conditions[0].message


def test_a_gate_that_cannot_be_read_does_not_hide_the_harm_that_another_finds() -> None:
    gates = (ERRORS, LATENCY)
    given = rolling(spec("2", gates=gates), StageName.CANARY, weight=50, seen=FEW)
    read = reading(BAD, gates=(ERRORS,), missing={"latency": "no such bucket"})

    assert plan(replace(given, reading=read), NOW).status.rejected == id_of(V2)


def test_evidence_of_another_version_is_not_continued() -> None:
    other = evidence(BAD, of=spec("3"), at=NOW - timedelta(seconds=5))

    fresh = gathered(
        rollout=V2.rollout, revision=id_of(V2), evidence=other, reading=reading(FEW), split_changed_at=None
    )

    assert (fresh.revision, counted(fresh).candidate.total) == (id_of(V2), 0)


def test_written_evidence_judges_as_the_evidence_in_memory_does() -> None:
    before = evidence(BAD, of=V2)

    after = restored(stored(before), revision=id_of(V2))

    assert (after.evaluated_at, after.policy) == (before.evaluated_at, before.policy)
    known, read_back = judged(rollout=V2.rollout, evidence=before), judged(rollout=V2.rollout, evidence=after)
    assert read_back.verdict is known.verdict
    assert read_back.log_harm == pytest.approx(known.log_harm, abs=1e-5)


def test_an_arm_that_waits_for_the_other_is_forgotten_when_the_split_of_traffic_changed() -> None:
    lonely = evidence(((50, 0), (0, 0)), of=V2, at=NOW - timedelta(seconds=5))
    given = rolling(V2, StageName.CANARY, weight=25, weight_since=2)

    changed = plan(replace(given, evidence=lonely, reading=reading(FEW)), NOW)
    same = plan(replace(rolling(V2, StageName.CANARY, weight=25, since=30), evidence=lonely, reading=reading(FEW)), NOW)

    assert changed.evidence is not None
    assert same.evidence is not None
    assert counted(changed.evidence).candidate.total == 20
    assert counted(same.evidence).candidate.total == 70
