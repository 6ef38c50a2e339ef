"""`kubectl model status`: the table, one rollout, and what is left out of it."""

import json
import re
from dataclasses import replace

import pytest
import yaml

from modelrollout.adapters.kubernetes import Forbidden, NotFound, Unreachable
from modelrollout.api.alerts import SharedAlert
from modelrollout.api.modeldeployment import StageName
from modelrollout.cli import status
from modelrollout.plan.observation import Observation, Unreadable
from tests.builders import (
    BAD,
    CANARY,
    ERRORS,
    FEW,
    GOOD,
    LATENCY,
    REVIEW,
    SHADOW,
    SOAK,
    bodies,
    firing,
    installing,
    live,
    pages,
    rolling,
    spec,
)
from tests.unit.cli.stand import Stand

COMPARED = rolling(spec("2", gates=(ERRORS, LATENCY)), StageName.CANARY, weight=25, seen=FEW, started=900)


def test_a_line_for_each() -> None:
    stand = Stand(observation=COMPARED)
    stand.put(*bodies(replace(live(spec("7")), name="credit")))
    printed = stand.run(status.run)
    assert printed.code == 0
    assert [line.split() for line in printed.lines] == [
        ["NAME", "LIVE", "CANDIDATE", "STAGE", "WEIGHT", "PODS", "STATE", "SINCE"],
        ["credit", "7", "-", "Live", "0", "%", "3/3", "Ready", "0s"],
        ["fraud", "1", "2", "Canary", "25", "%", "3/3", "Progressing", "10m"],
    ]


def test_all_namespaces_have_a_column_of_their_own() -> None:
    stand = Stand(observation=COMPARED)
    stand.put(*bodies(replace(live(spec("7")), namespace="lending")))
    printed = stand.run(status.run, "-A")
    assert [line.split()[:2] for line in printed.lines] == [
        ["NAMESPACE", "NAME"],
        ["lending", "fraud"],
        ["payments", "fraud"],
    ]


def test_wide_says_why() -> None:
    printed = Stand(observation=COMPARED).run(status.run, "-o", "wide")
    assert printed.lines[0].split()[-2:] == ["REASON", "MESSAGE"]
    assert "Comparing   Insufficient; gate errors: candidate 0 of 20" in printed.lines[1]


def test_nothing_there_is_told() -> None:
    assert Stand().run(status.run).out == "There is no ModelDeployment in namespace payments.\n"
    assert Stand().run(status.run, "-A").out == "There is no ModelDeployment in any namespace.\n"


def test_one_rollout_with_both_arms_and_evidence_against_its_thresholds() -> None:
    printed = Stand(observation=COMPARED).run(status.run, "fraud")
    assert printed.lines[0] == "payments/fraud   Progressing for 10m"
    assert re.search(r"^live +version 1 \(revision [0-9a-f]{10}\), 3 of 3 pods ready$", printed.out, re.M)
    assert re.search(r"^candidate +version 2 \(revision [0-9a-f]{10}\)$", printed.out, re.M)
    assert re.search(r"^stage +Canary for 10m, weight 25 % for 10m, rollout for 15m$", printed.out, re.M)
    header, errors, latency = [re.split(" {2,}", line) for line in printed.lines[8:11]]
    assert header == ["GATE", "VERDICT", "CANDIDATE", "LIVE", "HARM", "SAFETY", "EXCESS AT MOST"]
    assert errors[:4] == ["errors", "Insufficient", "0 of 20 (0 %)", "0 of 60 (0 %)"]
    assert re.fullmatch(r"e\^-?\d+\.\d of e\^4\.6", errors[4])
    assert re.fullmatch(r"e\^-?\d+\.\d of e\^3\.0", errors[5])
    assert latency[0] == "latency"
    assert printed.lines[-1].startswith("together   Insufficient, harm e^")
    assert printed.lines[-1].endswith("as of 0s ago")


def test_numbers_are_those_that_the_operator_judges_by() -> None:
    """Between two decisions: what it wrote beside its sums."""
    observation = rolling(spec("2", stages=(CANARY,)), StageName.CANARY, weight=50, seen=GOOD, since=10)
    printed = Stand(observation=observation).run(status.run, "fraud", "-o", "json")
    told = json.loads(printed.out)
    (gate,) = told["evidence"]["gates"]
    assert (gate["candidate"], gate["stable"]) == ({"requests": 4000, "bad": 4}, {"requests": 4000, "bad": 4})
    assert (gate["verdict"], told["evidence"]["verdict"]) == ("Pass", "Pass")
    assert gate["safety"] >= told["evidence"]["safetyThreshold"] == pytest.approx(2.996)


def test_the_expected_verdict_is_told_as_a_time_to_come() -> None:
    stand = Stand(observation=COMPARED)
    deployment = stand.objects["modeldeployments", "payments", "fraud"]
    deployment["status"]["expectedVerdictAt"] = "2026-11-24T12:06:30Z"
    assert "verdict    expected in 6m30s, at 2026-11-24 12:06:30 UTC" in stand.run(status.run, "fraud").out
    deployment["status"]["expectedVerdictAt"] = "2026-11-24T11:59:00Z"
    assert "verdict    expected now" in stand.run(status.run, "fraud").out


@pytest.mark.parametrize(
    ("observation", "state", "says"),
    [
        (live(spec("1")), "Ready", "Live: version 1 is live"),
        (installing(spec("1"), ready=0), "Progressing", "pods"),
        (rolling(spec("2"), StageName.CANARY, weight=25, seen=BAD), "RolledBack", "EvidenceOfHarm: version 2 was"),
        (
            rolling(spec("2", stages=(SHADOW, REVIEW, CANARY, SOAK)), StageName.REVIEW),
            "AwaitingReview",
            "AwaitingReview: version 2 waits for an approval",
        ),
        (
            replace(
                rolling(spec("2", alerts=(pages(shared=SharedAlert.REVIEW),)), StageName.CANARY, weight=25, seen=FEW),
                firing=(firing(),),
            ),
            "AwaitingReview",
            "SharedAlert: alert Errors fired at 11:59:55 (entry pages: severity=page, namespace=payments)",
        ),
        (
            replace(COMPARED, reading=Unreadable("connection refused")),
            "Progressing",
            "MetricsUnavailable: holding: Prometheus cannot be asked: connection refused",
        ),
    ],
    ids=["live", "installing", "rolled back", "review", "shared alert", "no Prometheus"],
)
def test_states(observation: Observation, state: str, says: str) -> None:
    printed = Stand(observation=observation).run(status.run, "fraud")
    assert printed.lines[0].startswith(f"payments/fraud   {state} for ")
    assert says in printed.out


def test_an_object_that_nobody_has_looked_at() -> None:
    stand = Stand(observation=COMPARED)
    del stand.objects["modeldeployments", "payments", "fraud"]["status"]
    assert stand.run(status.run).lines[1].split() == ["fraud", "-", "-", "-", "0", "%", "0/0", "Unseen", "2h"]
    assert "Unseen: the operator has not looked at it yet" in stand.run(status.run, "fraud").out


def test_a_newer_operators_fields_pass_by() -> None:
    stand = Stand(observation=COMPARED)
    stand.objects["modeldeployments", "payments", "fraud"]["status"]["novelty"] = {"a": 1}
    (revision,) = [one for one in stand.objects.values() if one.get("status", {}).get("evidence")]
    revision["status"]["evidence"]["novelty"] = 1
    assert "GATE" in stand.run(status.run, "fraud").out


def test_before_the_first_evidence() -> None:
    printed = Stand(observation=rolling(spec("2"), StageName.SHADOW, since=1)).run(status.run, "fraud")
    assert "No numbers: no evidence has been written yet." in printed.out


def test_programs_get_a_document() -> None:
    printed = Stand(observation=COMPARED).run(status.run, "-o", "yaml")
    (one,) = yaml.safe_load(printed.out)
    assert (one["namespace"], one["name"], one["state"], one["weight"]) == ("payments", "fraud", "Progressing", 25)
    assert one["candidate"]["version"] == "2"


def test_one_that_is_not_there_is_told_with_what_is() -> None:
    stand = Stand(observation=COMPARED)
    assert stand.run(status.run, "fruad").error == (
        "there is no ModelDeployment fruad in namespace payments; did you mean fraud?"
    )
    assert stand.run(status.run, "xyz").error.endswith("; there is fraud")
    assert stand.run(status.run, "fraud", "-n", "elsewhere").error.endswith(
        "in namespace elsewhere, nor any other; kubectl model status -A shows those of all namespaces"
    )


@pytest.mark.parametrize("name", ["mdep/fraud", "modeldeployment/fraud", "modeldeployment.modelrollout.dev/fraud"])
def test_a_name_as_kubectl_prints_it(name: str) -> None:
    assert Stand(observation=COMPARED).run(status.run, name).lines[0].startswith("payments/fraud")


@pytest.mark.parametrize("words", [["pod/fraud"], ["fraud", "-A"], ["-o", "toml"]])
def test_mistakes(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Stand(observation=COMPARED).run(status.run, *words)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


class TestWhatTheApiServerSays:
    def test_a_missing_right_with_who_grants_it(self) -> None:
        message = (
            'modeldeployments.modelrollout.dev is forbidden: User "noah" cannot list resource "modeldeployments" in '
            'API group "modelrollout.dev" in the namespace "payments"'
        )
        stand = Stand(refusals={("list", "modeldeployments"): Forbidden(403, "Forbidden", message)})
        printed = stand.run(status.run)
        assert printed.code == 1
        assert printed.error.splitlines() == [
            "noah may not list modeldeployments.modelrollout.dev in namespace payments",
            "An administrator of namespace payments grants it, by binding the ClusterRole modelrollout-viewer in "
            "namespace payments:",
            "  kubectl create rolebinding noah-modelrollout-viewer -n payments --clusterrole=modelrollout-viewer "
            "--user=noah",
        ]

    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (Forbidden(401, "Unauthorized", "Unauthorized"), "the API server does not know you (Unauthorized); log in"),
            (NotFound(404, "NotFound", "the server could not find it"), "is modelrollout installed in this cluster?"),
            (Unreachable(0, "Refused", "https://a does not answer: refused"), "https://a does not answer: refused"),
        ],
    )
    def test_other_errors_with_the_remedy(self, error: Exception, sentence: str) -> None:
        printed = Stand(refusals={("list", "modeldeployments"): error}).run(status.run)  # type: ignore[dict-item]
        assert printed.code == 2
        assert sentence in printed.error
