"""`kubectl model why`: decisions that were made by the planner, as people read them."""

import json
import re
from dataclasses import replace

import pytest

from modelrollout.api.alerts import SharedAlert
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.rolloutaction import Verb
from modelrollout.cli import why
from modelrollout.plan import plan
from tests.builders import (
    BAD,
    ERRORS,
    FEW,
    LATENCY,
    NOW,
    asked,
    bodies,
    firing,
    id_of,
    live,
    pages,
    rolling,
    spec,
)
from tests.unit.cli.stand import Stand

HARMED = rolling(spec("2", gates=(ERRORS, LATENCY)), StageName.CANARY, weight=25, seen=BAD)


def paragraph(out: str) -> str:
    return " ".join(out.partition("\n\n")[0].split())


def test_a_rollback_by_evidence() -> None:
    printed = Stand(observation=HARMED).run(why.run, "fraud")
    assert printed.code == 0
    told = paragraph(printed.out)
    assert told.startswith(
        f"payments/fraud, version 2 (revision {id_of(HARMED.spec)}): it was rolled back (EvidenceOfHarm) in stage "
        "Canary at weight 25 % on 2026-11-24 12:00:00 UTC, 0s ago; the operator decided it by itself. Version 2 was "
        "rolled back from Canary at weight 25 %: gate "
    )
    assert "the candidate had 80 of 400 (20 %) bad requests, the live version 0 of 400 (0 %)" in told
    assert re.search(r"The verdict was Fail: evidence of harm e\^\d+\.\d, which rolls back at e\^4\.6", told)
    assert re.search(r"may be spoiling beyond the live version, at most: errors \d+, latency \d+\.$", told)
    header, errors, _ = printed.lines[-3:]
    assert header.startswith("GATE")
    assert re.split(" {2,}", errors)[:4] == ["errors", "Fail", "80 of 400 (20 %)", "0 of 400 (0 %)"]


def test_what_a_person_asked_for_names_the_person() -> None:
    rolled = rolling(spec("2"), StageName.CANARY, weight=25, seen=FEW)
    stand = Stand()
    stand.put(*bodies(replace(rolled, actions=(asked(Verb.ROLLBACK),))))
    told = paragraph(stand.run(why.run, "fraud", "2").out)
    assert "(RollbackRequested) in stage Canary at weight 25 %" in told
    assert "; alice asked for it." in told
    assert "asked by alice: the numbers look wrong." in told


def test_what_an_alert_led_to_names_the_alert() -> None:
    stand = Stand(observation=HARMED)
    (revision,) = [one for one in stand.objects.values() if one.get("status", {}).get("decisions")]
    alert = {"policy": "pages", "name": "FraudDown", "labels": {}, "startsAt": "2026-11-24T11:59:30Z"}
    revision["status"]["decisions"][-1] |= {"alert": alert, "by": "system:serviceaccount:modelrollout:modelrollout"}
    told = paragraph(stand.run(why.run, "fraud").out)
    assert "; the alert FraudDown, which rollout.alerts pages names, fires since 2026-11-24 11:59:30 UTC." in told


def test_what_both_versions_share_names_the_alert_and_then_the_person_who_let_it_go_on() -> None:
    asking = spec("2", alerts=(pages(shared=SharedAlert.REVIEW),))
    held = replace(rolling(asking, StageName.CANARY, weight=25, seen=FEW), firing=(firing(since=30),))

    told = paragraph(Stand(observation=held).run(why.run, "fraud").out)

    assert "it was paused (SharedAlert) in stage Canary at weight 25 %" in told
    assert "; the alert Errors, which rollout.alerts pages names, fires since 2026-11-24 11:59:30 UTC." in told
    assert "so it holds until a person says: kubectl model approve fraud -n payments, or reject." in told

    planned = plan(held, NOW)
    id, status = id_of(asking), planned.revisions[id_of(asking)]
    revisions = {**held.revisions, id: replace(held.revisions[id], status=status)}
    approval = asked(Verb.APPROVE, about=asking, by="olga", reason="October is odd everywhere")
    approved = replace(held, status=planned.status, revisions=revisions, actions=(approval,))

    told = paragraph(Stand(observation=approved).run(why.run, "fraud").out)

    assert "it was resumed (SharedAlertAccepted) in stage Canary at weight 25 %" in told
    assert "; olga asked for it. It goes on in spite of alert Errors (entry pages), approved by olga: October" in told


@pytest.mark.parametrize("named", ["2", id_of(HARMED.spec), id_of(HARMED.spec)[:5]])
def test_a_revision_by_its_version_or_id(named: str) -> None:
    assert "version 2 (revision" in Stand(observation=HARMED).run(why.run, "fraud", named).out


def test_all_decisions_oldest_first() -> None:
    stand = Stand(observation=HARMED)
    (revision,) = [one for one in stand.objects.values() if one.get("status", {}).get("decisions")]
    first = {"at": "2026-11-24T11:00:00Z", "outcome": "Advance", "reason": "RolloutStarted", "stage": "Shadow"}
    revision["status"]["decisions"].insert(0, {**first, "message": "it begins", "weight": 0})
    told = stand.run(why.run, "fraud", "--all").out
    assert told.index("(RolloutStarted)") < told.index("(EvidenceOfHarm)")
    assert "(RolloutStarted)" not in stand.run(why.run, "fraud").out
    assert [one["reason"] for one in json.loads(stand.run(why.run, "fraud", "--all", "-o", "json").out)] == [
        "RolloutStarted",
        "EvidenceOfHarm",
    ]


def test_how_it_stands_now_is_told_where_the_decision_does_not_say_it() -> None:
    stand = Stand(observation=rolling(spec("2"), StageName.CANARY, weight=25, seen=FEW))
    key = ("modelrevisions", "payments", f"fraud-{id_of(spec('2'))}")
    begun = {"at": "2026-11-24T11:00:00Z", "outcome": "Advance", "reason": "RolloutStarted", "stage": "Canary"}
    stand.objects[key]["status"]["decisions"] = [{**begun, "message": "it begins", "weight": 0}]
    assert "Now: Progressing, Comparing: Insufficient; gate errors" in " ".join(stand.run(why.run, "fraud").out.split())
    assert "Now:" not in Stand(observation=HARMED).run(why.run, "fraud").out


def test_programs_get_the_record() -> None:
    told = json.loads(Stand(observation=HARMED).run(why.run, "fraud", "-o", "json").out)
    assert (told["version"], told["outcome"], told["gate"]) == ("2", "RollBack", "errors")
    assert told["harm"] >= told["harmThreshold"]


def test_without_a_decision_it_says_how_things_are() -> None:
    printed = Stand(observation=live(spec("1"))).run(why.run, "fraud")
    assert printed.code == 2
    assert printed.error == "no decision about payments/fraud is on record; it says: Live: version 1 is live"


def test_a_revision_that_is_not_there_is_told_with_those_that_are() -> None:
    error = Stand(observation=HARMED).run(why.run, "fraud", "9").error
    assert error.startswith("payments/fraud has no revision 9; there is ")
    assert f"{id_of(HARMED.spec)} (version 2, RolledBack)" in error
