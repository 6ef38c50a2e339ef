"""What a version takes and gives, and how its data are spread: what errors and latency cannot tell."""

from __future__ import annotations

import copy
from typing import Any

import requests

from demo.kubectl import kubectl
from tests.e2e import biopsies
from tests.e2e.case import Case
from tests.e2e.history import Object
from tests.e2e.manifests import CANARY, ERRORS, SHADOW, SOAK, Manifest, manifest
from tests.e2e.then import condition

LATERALITY: Manifest = {
    "name": "laterality",
    "type": "category",
    "categories": ["left", "right"],
    "required": False,
}
OBSERVE: Manifest = {"sideEffects": "None", "sample": {"perSecond": 40}, "noiseShare": 0.5}
ANSWERS: Manifest = {
    "name": "answers",
    "signal": "Distribution",
    "output": biopsies.OUTPUT,
    "tolerate": {"points": 3},
    "promoteWithin": {"points": 25},
}
AGREEMENT: Manifest = {"name": "agreement", "signal": "Agreement", "target": 0.9, "onDisagreement": "Rollback"}
WORLD: Manifest = {
    "name": "world",
    "match": {"alertname": "ModelDriftInEveryVersion"},
    "sharedWithLive": "Review",
}
FEATURES = "modelrollout.dev/feature-pipeline"
DRIFTS_OVER_SECONDS = 40.0
LONG_SECONDS = 300.0


def with_contract(version: str, contract: Manifest, **source: Any) -> Manifest:
    made = manifest(version)
    made["spec"]["contract"] = {"inline": contract, **source}
    return made


def counted(version: str, *gates: Manifest, **observe: Any) -> Manifest:
    """Its values are counted in the bins of the training data."""
    made = manifest(version, stages=[SHADOW, CANARY, SOAK], gates=(ERRORS, *gates), observe={**OBSERVE, **observe})
    made["spec"]["contract"] = {"inline": biopsies.contract()}
    made["spec"]["reference"] = {"configMapRef": {"name": "training"}}
    return made


def dropped_category(contract: Manifest) -> str:
    contract["inputs"][-1]["categories"].remove("right")
    return "inputs[laterality].categories"


def other_unit(contract: Manifest) -> str:
    contract["inputs"][0]["unit"] = "cm"
    return "inputs[mean radius].unit"


def lost_output(contract: Manifest) -> str:
    contract["outputs"][0]["name"] = "diagnosis"
    return f"outputs[{biopsies.OUTPUT}]"


def test_a_version_that_breaks_its_callers_gets_no_pod(case: Case) -> None:
    given, when, then = case.steps()
    contract = biopsies.contract()
    contract["inputs"][0]["unit"] = "mm"
    contract["inputs"].append(copy.deepcopy(LATERALITY))
    given.live(with_contract("v1", contract))
    given.users()

    for change in (dropped_category, other_unit, lost_output):
        broken = copy.deepcopy(contract)
        where = change(broken)
        made = with_contract("v2", broken)
        made["spec"]["model"]["uri"] += f"?of={change.__name__}"

        when.applied(made)

        then.ends("RolledBack", version="v1")
        record = then.decisions("v2")[-1]
        assert record["reason"] == "ContractBroken"
        assert where in record["message"], record
        case.note(record["message"])
    assert len(case.revisions("v2")) == 3
    then.nothing_was_started("v2")
    then.users_get_only("v1")
    then.users_saw_no_failure()


def test_features_made_otherwise_than_in_training_get_no_pod(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    made = with_contract("v6", {**biopsies.contract(), "featurePipeline": "git:millimetres"})
    made["spec"]["serving"]["template"]["metadata"]["annotations"][FEATURES] = "git:centimetres"

    when.applied(made)

    then.ends("RolledBack", version="v1")
    record = then.decisions("v6")[-1]
    assert record["reason"] == "FeaturePipelineSkew"
    case.note(record["message"])
    then.nothing_was_started("v6")


def test_a_version_that_does_not_serve_what_its_contract_says_gets_no_request(case: Case) -> None:
    given, when, then = case.steps()
    given.live(with_contract("v1", biopsies.contract()))
    given.users()
    promised = biopsies.contract()
    promised["outputs"].append({"name": "probability", "type": "float", "range": {"min": 0, "max": 1}})

    when.applied(with_contract("v2", promised, verify={"example": True}))

    then.ends("RolledBack", version="v1")
    record = then.decisions("v2")[-1]
    assert record["reason"] == "ContractNotServed"
    case.note(record["message"])
    then.users_get_only("v1")
    then.pods_are_gone("v2")

    (rejected,) = case.revisions("v2")
    kubectl("delete", "modelrevision", rejected[-1].found["metadata"]["name"], "-n", case.namespace)
    when.applied(with_contract("v2", biopsies.contract(), verify={"example": True}))
    when.asked("Retry", reason="the contract was wrong, not the model")

    then.ends("Live", version="v2")
    then.users_saw_no_failure()


def test_a_version_whose_answers_are_spread_otherwise_is_taken_back(case: Case) -> None:
    given, when, then = case.steps()
    when.config_map("training", reference=biopsies.reference())
    given.live(manifest("v2"))
    given.users()

    when.applied(counted("v7", ANSWERS))

    then.ends("RolledBack", version="v2", seconds=LONG_SECONDS)
    then.passed_through("Shadow", "Live")
    # It never says 1, which the live version says of three biopsies in ten.
    then.rolled_back_by_evidence("v7", gate="answers", by_more=False)
    then.users_saw_nothing_of("v7")
    then.users_saw_no_failure()


def test_a_world_that_changes_silently_asks_a_person_and_takes_no_good_version_back(case: Case) -> None:
    given, when, then = case.steps()
    when.config_map("training", reference=biopsies.reference())
    given.live(counted("v2", monitoring={"share": 1.0}))
    given.users_whose_data_drift(over=DRIFTS_OVER_SECONDS)
    (live,) = case.revisions("v2")
    old = live[-1].found["spec"]["digest"][:10]

    then.comes_to_be("an alert tells of the drift", lambda: _drifted(case, old))
    again = counted("v2", ANSWERS, AGREEMENT, monitoring={"share": 1.0})
    again["spec"]["model"]["uri"] += "?built=again"
    again["spec"]["rollout"]["alerts"] = [WORLD]
    when.applied(again)

    asked = then.comes_to("a person is asked", lambda found: _reason(found) == "SharedAlert", seconds=LONG_SECONDS)
    told = condition(asked, "AwaitingReview")
    assert told["status"] == "True"
    case.note(told["message"])
    new = case.revisions("v2")[-1][-1].found["spec"]["digest"][:10]
    assert new != old
    then.comes_to_be("an alert tells of the new version too", lambda: _drifted(case, new))
    when.typed("approve", reason="another laboratory sends us biopsies")

    then.ends("Live", version="v2", seconds=LONG_SECONDS)
    then.passed_through("Shadow", "Canary", "Soak", "Live")
    assert condition(case.answers()[-1].found, "Ready")["status"] == "True"
    then.users_saw_no_failure()


def _reason(found: Object) -> str:
    return str(condition(found, "Ready")["reason"])


def _drifted(case: Case, revision: str) -> bool:
    query = (
        f'ALERTS{{alertname="ModelInputDrift",alertstate="firing",namespace="{case.namespace}",revision="{revision}"}}'
    )
    answer = requests.get(f"{case.world.prometheus}/api/v1/query", params={"query": query}, timeout=10)
    answer.raise_for_status()
    found = answer.json()["data"]["result"]
    if found:
        case.note(f"drift of {revision} in {len(found)} features")
    return bool(found)
