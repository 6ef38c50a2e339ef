"""`kubectl model queue`: what waits for a person, and what to type next."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from modelrollout.adapters.kubernetes import Forbidden
from modelrollout.api.alerts import SharedAlert
from modelrollout.api.modeldeployment import Pause, StageName
from modelrollout.api.rollout import ReviewStage, Stage
from modelrollout.cli import queue
from modelrollout.plan.observation import Observation, Trouble
from tests.builders import BAD, CANARY, FEW, SHADOW, SOAK, ago, bodies, firing, live, pages, pod, rolling, spec
from tests.unit.cli.stand import Stand

TWO = spec("2")
IN_ROLE = Stage(review=ReviewStage(role="model-risk"))
REVIEWED = rolling(spec("2", stages=(SHADOW, IN_ROLE, CANARY, SOAK)), StageName.REVIEW)
CANARYING = rolling(TWO, StageName.CANARY, weight=25, seen=FEW)
PAUSED = replace(
    CANARYING,
    status=CANARYING.status.model_copy(update={"paused": Pause(by="anna", reason="fire drill", at=ago(60))}),
)
INCONCLUSIVE = rolling(spec("2", max_duration="5m"), StageName.CANARY, weight=25, seen=FEW, started=600)
ASKING = spec("2", alerts=(pages(shared=SharedAlert.REVIEW),))
SHARED = replace(rolling(ASKING, StageName.CANARY, weight=25, seen=FEW), firing=(firing(),))
STALLED = rolling(TWO, StageName.SHADOW, ready=0, pods=[pod(Trouble.IMAGE_PULL, of=TWO, number=n) for n in range(3)])
HARMED = rolling(TWO, StageName.CANARY, weight=25, seen=BAD)


@pytest.mark.parametrize(
    ("observation", "waits_for", "command"),
    [
        (
            REVIEWED,
            "review by model-risk",
            "kubectl model approve fraud -n payments --role model-risk --reason 'WHY'",
        ),
        (SHARED, "review", "kubectl model approve fraud -n payments --reason 'WHY'"),
        (PAUSED, "resume, paused by anna", "kubectl model resume fraud -n payments --reason 'WHY'"),
        (INCONCLUSIVE, "decision, inconclusive", "kubectl model why fraud -n payments"),
        (STALLED, "repair, ImagePullFailed", "kubectl model status fraud -n payments"),
        (HARMED, "another version, rolled back", "kubectl model why fraud -n payments"),
    ],
    ids=["review", "shared alert", "paused", "inconclusive", "stalled", "rolled back"],
)
def test_what_waits(observation: Observation, waits_for: str, command: str) -> None:
    printed = Stand(observation=observation).run(queue.run, "-o", "json")
    (one,) = json.loads(printed.out)
    assert (one["namespace"], one["name"], one["version"]) == ("payments", "fraud", "2")
    assert (one["waitsFor"], one["next"]) == (waits_for, command)


@pytest.mark.parametrize("observation", [CANARYING, live(spec("1"))], ids=["rolling", "live"])
def test_what_does_not(observation: Observation) -> None:
    printed = Stand(observation=observation).run(queue.run)
    assert (printed.code, printed.out) == (0, "Nothing waits for a person.\n")


def test_the_longest_wait_of_all_namespaces_comes_first() -> None:
    stand = Stand()
    for number, (name, observation) in enumerate({"a": PAUSED, "b": REVIEWED, "c": HARMED}.items()):
        moved = replace(observation, namespace=f"team-{name}", name=name)
        stand.put(*_since(bodies(moved), ago(600 + 600 * (number % 2))))
    printed = stand.run(queue.run)
    assert [line.split()[:3] for line in printed.lines] == [
        ["NAMESPACE", "NAME", "VERSION"],
        ["team-b", "b", "2"],
        ["team-a", "a", "2"],
        ["team-c", "c", "2"],
    ]
    assert "   20m   kubectl model approve b -n team-b --role model-risk --reason 'WHY'" in printed.lines[1]


def _since(objects: list[dict], at: datetime) -> list[dict]:  # type: ignore[type-arg]
    for one in objects:
        for condition in one.get("status", {}).get("conditions", []):
            condition["lastTransitionTime"] = at.isoformat()
    return objects


def test_wide_says_why() -> None:
    printed = Stand(observation=PAUSED).run(queue.run, "-o", "wide")
    assert printed.lines[1].endswith("paused by anna: fire drill")


def test_one_namespace_when_it_is_named() -> None:
    stand = Stand(observation=PAUSED)
    assert stand.run(queue.run, "-n", "elsewhere").out == "Nothing waits for a person.\n"
    assert ("list-all", "modeldeployments") not in stand.asked


def test_who_may_not_list_all_gets_his_own_with_a_note() -> None:
    refusal = Forbidden(403, "Forbidden", "no")
    stand = Stand(observation=PAUSED, refusals={("list-all", "modeldeployments"): refusal})
    printed = stand.run(queue.run)
    assert printed.code == 0
    assert "resume, paused by anna" in printed.out
    assert printed.error == "note: you may not list all namespaces; this is namespace payments\n"
    assert stand.run(queue.run, "-A").code == 1


def test_the_command_is_for_the_same_context() -> None:
    printed = Stand(observation=PAUSED).run(queue.run, "--context", "prod")
    assert "kubectl model resume fraud -n payments --context prod --reason 'WHY'" in printed.out
