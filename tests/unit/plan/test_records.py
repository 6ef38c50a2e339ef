"""Every decision leaves a sentence for people and the numbers for programs."""

import math
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import DecisionRecord, ModelRevisionStatus, Outcome
from modelrollout.api.rollout import Inconclusive
from modelrollout.evidence import Counts
from modelrollout.plan import Observation, plan
from modelrollout.plan.gates import judged
from modelrollout.plan.observation import Trouble
from modelrollout.plan.records import record, share
from tests.builders import (
    BAD,
    FEW,
    GOOD,
    NOW,
    PACED,
    SOAK,
    evidence,
    id_of,
    installing,
    live,
    pod,
    reading,
    rolling,
    spec,
)

V1, V2 = spec("1"), spec("2")


def overdue(choice: Inconclusive) -> Observation:
    return rolling(spec("2", on_inconclusive=choice), StageName.CANARY, weight=25, seen=FEW, started=7200)


def stepping() -> Observation:
    of = spec("2", stages=(PACED, SOAK))
    given = rolling(of, StageName.CANARY, weight=5)
    return replace(given, evidence=evidence(FEW, of=of, at=NOW - timedelta(seconds=5)), reading=reading(FEW))


JUDGED = {
    "shadow passed": (rolling(V2, StageName.SHADOW, seen=GOOD), Outcome.ADVANCE),
    "weight increased": (stepping(), Outcome.ADVANCE),
    "canary passed": (rolling(V2, StageName.CANARY, weight=50, seen=GOOD, both_served=True), Outcome.ADVANCE),
    "harm": (rolling(V2, StageName.CANARY, weight=25, seen=BAD), Outcome.ROLL_BACK),
    "crash loop": (
        rolling(V2, StageName.CANARY, weight=25, seen=FEW, pods=[pod(Trouble.CRASH_LOOP, of=V2)]),
        Outcome.ROLL_BACK,
    ),
    "pause": (overdue(Inconclusive.PAUSE), Outcome.PAUSE),
    "inconclusive rollback": (overdue(Inconclusive.ROLLBACK), Outcome.ROLL_BACK),
    "inconclusive promotion": (overdue(Inconclusive.PROMOTE), Outcome.ADVANCE),
}
UNJUDGED = {
    "installed": (installing(V1, ready=3), Outcome.INSTALL),
    "started": (live(V2, live=V1), Outcome.ADVANCE),
    "promoted": (rolling(V2, StageName.SOAK, weight=100, since=600), Outcome.PROMOTE),
    "reverted": (
        replace(rolling(V2, StageName.CANARY, weight=25, seen=FEW), spec=V1, target=id_of(V1)),
        Outcome.SUPERSEDE,
    ),
}


def recorded(given: Observation) -> DecisionRecord:
    planned = plan(given, NOW)
    (found,) = [record for status in planned.revisions.values() for record in status.decisions]
    assert [(notice.reason, notice.message) for notice in planned.notices] == [(found.reason, found.message)]
    assert planned.records == (found,)
    return found


@pytest.mark.parametrize(("given", "outcome"), JUDGED.values(), ids=JUDGED.keys())
def test_a_decision_that_evidence_led_to_has_the_numbers_of_both_arms(given: Observation, outcome: Outcome) -> None:
    found = recorded(given)

    assert (found.outcome, found.at) == (outcome, NOW)
    assert found.verdict in ("Pass", "Fail", "Insufficient")
    assert None not in (found.harm, found.harm_threshold, found.safety_threshold)
    (gate,) = found.gates
    assert gate.name == "errors"
    assert gate.candidate.requests > 0
    assert gate.stable.requests > 0
    assert gate.bound is not None
    assert 0 <= gate.bound <= 1


@pytest.mark.parametrize(
    ("given", "outcome"), [*JUDGED.values(), *UNJUDGED.values()], ids=[*JUDGED.keys(), *UNJUDGED.keys()]
)
def test_each_record_and_event_is_a_sentence_for_people(given: Observation, outcome: Outcome) -> None:
    found = recorded(given)

    assert found.outcome is outcome
    assert re.fullmatch(r"[A-Z][A-Za-z]+", found.reason)
    assert len(found.message.split()) >= 4
    assert "None" not in found.message
    assert "  " not in found.message


@pytest.mark.parametrize("case", ["weight increased", "harm", "pause"])
def test_sentences_about_evidence_have_the_numbers_of_both_arms(case: str) -> None:
    message = recorded(JUDGED[case][0]).message

    assert len(re.findall(r"\d+ of \d+ \([\d.e-]+ %\)", message)) == 2


def test_a_promotion_without_judgement_refers_to_the_records_before_it() -> None:
    given = rolling(V2, StageName.SOAK, weight=100, since=600)
    passed = plan(rolling(V2, StageName.CANARY, weight=50, seen=GOOD, both_served=True), NOW).revisions[id_of(V2)]
    view = replace(given.revisions[id_of(V2)], status=passed)

    decisions = plan(replace(given, revisions={**given.revisions, view.id: view}), NOW).revisions[id_of(V2)].decisions

    assert [record.reason for record in decisions] == ["CanaryPassed", "Promoted"]
    assert decisions[0].verdict == "Pass"


def test_evidence_past_any_number_is_written_as_a_number() -> None:
    hopeless = evidence(((1_000_000, 1_000_000), (1_000_000, 0)), of=V2)
    judgement = judged(rollout=V2.rollout, evidence=hopeless)
    endless = replace(judgement, log_harm=math.inf)

    found = record(
        at=NOW, outcome=Outcome.ROLL_BACK, reason="R", message="m", stage="Canary", weight=5, judgement=endless
    )

    assert found.harm == 700
    assert DecisionRecord.model_validate_json(found.model_dump_json(by_alias=True)) == found


def test_only_the_newest_records_are_kept() -> None:
    old = tuple(
        DecisionRecord(
            at=NOW - timedelta(hours=24 - hour),
            outcome=Outcome.ADVANCE,
            reason="WeightIncreased",
            message=f"step {hour}",
            stage="Canary",
            weight=hour,
        )
        for hour in range(20)
    )
    given = rolling(V2, StageName.CANARY, weight=50, seen=GOOD, both_served=True)
    view = replace(given.revisions[id_of(V2)], status=ModelRevisionStatus(decisions=old))

    kept = plan(replace(given, revisions={**given.revisions, view.id: view}), NOW).revisions[id_of(V2)].decisions

    assert len(kept) == 20
    assert kept[0].message == "step 1"
    assert kept[-1].reason == "CanaryPassed"


def test_a_message_that_is_too_long_for_a_record_is_cut() -> None:
    found = record(at=NOW, outcome=Outcome.ROLL_BACK, reason="R", message="x" * 5000, stage="Canary", weight=5)

    assert found.message.endswith("…")


@pytest.mark.parametrize(
    ("bad", "told"), [(0, "0 of 8 (0 %)"), (0.5, "0 of 8 (6.2 %)"), (1, "1 of 8 (12 %)"), (8, "8 of 8 (100 %)")]
)
def test_a_share_has_two_digits_and_no_exponent(bad: float, told: str) -> None:
    assert share(Counts(8, bad)) == told


def test_evidence_that_is_written_is_told_in_numbers_beside_its_sums() -> None:
    """Between two decisions whoever looks sees what a decision would say, without knowing the statistics."""
    given = rolling(V2, StageName.CANARY, weight=5)
    planned = plan(replace(given, reading=reading(FEW)), NOW)
    written = planned.revisions[id_of(V2)].evidence
    assert planned.judgement is not None
    assert written is not None
    assert written.numbers is not None
    said = record(
        at=NOW, outcome=Outcome.ADVANCE, reason="R", message="m", stage="Canary", weight=5, judgement=planned.judgement
    )
    shared = type(written.numbers).model_fields
    assert written.numbers.model_dump() == said.model_dump(include=set(shared))
