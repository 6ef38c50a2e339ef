"""The verbs that ask: what action they make, and what they tell of its answer. The planner itself answers."""

import io
import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest

from modelrollout.adapters.kubernetes import Forbidden, Invalid, Unreachable
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.revision import digest
from modelrollout.cli import approve, pause, promote, reject, resume, retry, rollback
from modelrollout.plan.observation import Observation
from tests.builders import (
    CANARY,
    FEW,
    REVIEW,
    SHADOW,
    SOAK,
    ago,
    bodies,
    id_of,
    live,
    observation,
    revision,
    rolling,
    spec,
    superseded,
)
from tests.unit.cli.stand import Stand

ROLLING = rolling(spec("2"), StageName.CANARY, weight=25, seen=FEW)
REVIEWED = rolling(spec("2", stages=(SHADOW, REVIEW, CANARY, SOAK)), StageName.REVIEW)
WHY = ("--reason", "errors are up")


def whole(version: str) -> str:
    return digest(spec(version).model, spec(version).serving)


def after_a_rollback() -> Observation:
    """The spec names version 2, which was rolled back."""
    base = live(spec("2"), live=spec("1"))
    views = (*base.revisions.values(), revision(spec("2"), replicas=None))
    status = base.status.model_copy(update={"rejected": id_of(spec("2"))})
    return observation(spec("2"), *views, status=status, entry=base.entry, route=base.route)


def with_a_past() -> Observation:
    """Version 3 is live; 1 and 2 were before it."""
    base = live(spec("3"))
    past = (superseded(spec("2"), live_at=ago(7200)), superseded(spec("1"), live_at=ago(9000)))
    return observation(
        spec("3"), *base.revisions.values(), *past, status=base.status, entry=base.entry, route=base.route
    )


@pytest.mark.parametrize(
    ("verb", "of", "words", "fields", "line"),
    [
        (
            rollback,
            ROLLING,
            [],
            {"candidateDigest": whole("2")},
            "rollback of payments/fraud: Applied. Version 2 was rolled back from Canary at weight 25 %: asked by otto: "
            "errors are up.",
        ),
        (
            rollback,
            with_a_past(),
            [],
            {"candidateDigest": whole("3")},
            f"rollback of payments/fraud: Applied. Version 3 is taken back to version 2 (revision {id_of(spec('2'))}): "
            "asked by otto: errors are up.",
        ),
        (
            rollback,
            with_a_past(),
            ["--to", "1"],
            {"candidateDigest": whole("3"), "revision": id_of(spec("1"))},
            f"rollback of payments/fraud: Applied. Version 3 is taken back to version 1 (revision {id_of(spec('1'))}): "
            "asked by otto: errors are up.",
        ),
        (
            promote,
            ROLLING,
            [],
            {"candidateDigest": whole("2")},
            "promote of payments/fraud: Applied. Promoted by otto: errors are up.",
        ),
        (pause, ROLLING, [], {}, "pause of payments/fraud: Applied. Paused in stage Canary."),
        (resume, ROLLING, [], {}, "resume of payments/fraud: Refused. The rollout is not paused."),
        (
            retry,
            after_a_rollback(),
            [],
            {"candidateDigest": whole("2")},
            f"retry of payments/fraud: Applied. Revision {id_of(spec('2'))} is tried again.",
        ),
        (
            reject,
            REVIEWED,
            [],
            {"candidateDigest": whole("2")},
            "reject of payments/fraud: Applied. Version 2 was rolled back from Review at weight 0 %: rejected by otto: "
            "errors are up.",
        ),
        (
            approve,
            REVIEWED,
            [],
            {"candidateDigest": whole("2"), "expiresAt": "2026-11-24T13:00:00Z"},
            "approve of payments/fraud: Applied. Version 2 is approved until 2026-11-24 13:00:00 UTC.",
        ),
        (
            approve,
            REVIEWED,
            ["--role", "model-risk", "--expires-in", "30m"],
            {"candidateDigest": whole("2"), "role": "model-risk", "expiresAt": "2026-11-24T12:30:00Z"},
            "approve of payments/fraud: Applied. Version 2 is approved until 2026-11-24 12:30:00 UTC.",
        ),
    ],
)
def test_what_is_asked_and_what_came_of_it(
    verb: ModuleType, of: Observation, words: list[str], fields: Mapping[str, str], line: str
) -> None:
    stand = Stand(observation=of)
    printed = stand.run(verb.run, "fraud", *words, *WHY)
    (made,) = stand.created
    name = verb.__name__.rpartition(".")[2]
    assert made["metadata"]["generateName"] == f"fraud-{name}-"
    assert made["spec"] == {
        "deployment": "fraud",
        "action": name.capitalize(),
        "requestedBy": "otto",
        "reason": "errors are up",
        **fields,
    }
    assert printed.lines == [line]
    assert printed.code == (0 if "Applied" in line else 1)


def test_a_rollback_needs_a_reason_and_nothing_else_where_there_is_one_deployment() -> None:
    assert Stand(observation=ROLLING).run(rollback.run, "-r", "errors are up").code == 0


def test_where_there_are_several_it_asks_which() -> None:
    stand = Stand(observation=ROLLING)
    stand.put(*[body | {"metadata": body["metadata"] | {"name": "credit"}} for body in bodies(ROLLING)[:1]])
    printed = stand.run(rollback.run, *WHY)
    assert printed.error == "which ModelDeployment? In namespace payments there is credit, fraud; name one"
    assert not stand.created
    assert Stand().run(rollback.run, *WHY).error.endswith("In namespace payments there is none")


def test_a_second_step_back_is_refused_when_the_operator_was_first() -> None:
    """The candidate that was looked at is gone by the time that the action is heard: what is live stays."""
    stand = Stand(observation=ROLLING)
    stand.observation = after_a_rollback()
    printed = stand.run(rollback.run, "fraud", *WHY)
    assert printed.code == 1
    assert printed.out.startswith(
        f"rollback of payments/fraud: Refused. It is about revision {id_of(spec('2'))}, and it would be about "
        f"{id_of(spec('1'))} now; look again, and ask anew."
    )


def test_a_whole_id_is_taken_as_it_is() -> None:
    """The way back needs no list of revisions."""
    stand = Stand(observation=with_a_past())
    stand.refusals["list", "modelrevisions"] = Unreachable(503, "Slow", "too slow")
    assert stand.run(rollback.run, "fraud", "--to", id_of(spec("1")), *WHY).code == 0


def test_an_action_may_end() -> None:
    stand = Stand(observation=ROLLING)
    stand.run(pause.run, "fraud", *WHY, "--expires-in", "90s")
    assert stand.created[0]["spec"]["expiresAt"] == "2026-11-24T12:01:30Z"


class TestReason:
    @pytest.mark.parametrize("words", [[], ["-r", ""], ["-r", "  "]])
    def test_without_one_nothing_is_asked(self, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO())
        stand = Stand(observation=ROLLING)
        printed = stand.run(rollback.run, "fraud", *words)
        assert printed.code == 2
        assert printed.error.startswith("--reason is required; say why, for whoever reads the record later")
        assert stand.asked == []

    def test_at_a_terminal_it_is_asked_for(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        class Typed(io.StringIO):
            def isatty(self) -> bool:
                return True

        monkeypatch.setattr("sys.stdin", Typed("errors  are up\n"))
        stand = Stand(observation=ROLLING)
        assert stand.run(rollback.run, "fraud").code == 0
        assert stand.created[0]["spec"]["reason"] == "errors are up"
        assert capsys.readouterr().err == "Why? It is kept with the record: "


class TestWaiting:
    def test_without_it_the_action_is_named(self) -> None:
        stand = Stand(observation=ROLLING)
        printed = stand.run(pause.run, "fraud", *WHY, "--no-wait")
        assert printed.code == 0
        assert printed.out == "pause of payments/fraud is asked for, as RolloutAction fraud-pause-1\n"
        assert ("watch", "rolloutactions") not in stand.asked

    def test_an_operator_that_does_not_answer_in_time(self) -> None:
        printed = Stand(observation=ROLLING, deaf=True).run(rollback.run, "fraud", *WHY, "--timeout", "5s")
        assert printed.code == 3
        assert printed.out.startswith(
            "rollback of payments/fraud has no answer after 5 s. It stays asked for, as RolloutAction fraud-rollback-1"
        )

    def test_an_answer_that_cannot_be_read_leaves_the_name(self) -> None:
        stand = Stand(observation=ROLLING)
        stand.refusals["watch", "rolloutactions"] = Forbidden(403, "Forbidden", "cannot watch")
        printed = stand.run(rollback.run, "fraud", *WHY)
        assert printed.code == 2
        assert "it is asked for, as RolloutAction fraud-rollback-1, but its answer cannot be read" in printed.error

    def test_programs_get_the_action_with_its_answer(self) -> None:
        told = json.loads(Stand(observation=ROLLING).run(pause.run, "fraud", *WHY, "-o", "json").out)
        assert (told["kind"], told["status"]["outcome"]) == ("RolloutAction", "Applied")

    @pytest.mark.parametrize("text", ["soon", "-5s", "1d"])
    def test_durations_are_those_of_kubernetes(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            Stand(observation=ROLLING).run(pause.run, "fraud", *WHY, f"--timeout={text}")
        assert "is not a duration" in capsys.readouterr().err


class TestRefusedByTheApiServer:
    def test_a_missing_right_is_told_with_who_grants_it(self) -> None:
        stand = Stand(observation=ROLLING)
        stand.refusals["create", "rolloutactions"] = Forbidden(
            403,
            "Forbidden",
            "rolloutactions.modelrollout.dev \"a\" is forbidden: ValidatingAdmissionPolicy 'modelrollout-actions' with "
            "binding 'modelrollout-actions' denied request: otto may not promote ModelDeployment payments/fraud: it "
            "takes the verb promote on modeldeployments.modelrollout.dev; an administrator grants it",
        )
        printed = stand.run(promote.run, "fraud", *WHY)
        assert printed.code == 1
        assert printed.error.splitlines() == [
            "otto may not promote payments/fraud: it takes the verb promote on modeldeployments.modelrollout.dev, name "
            "fraud, namespace payments",
            "An administrator of namespace payments grants it, by binding the ClusterRole modelrollout-editor in "
            "namespace payments:",
            "  kubectl create rolebinding otto-modelrollout-editor -n payments --clusterrole=modelrollout-editor "
            "--user=otto",
        ]

    def test_who_may_not_look_is_heard_all_the_same(self) -> None:
        stand = Stand(observation=ROLLING)
        for resource in ("modeldeployments", "modelrevisions"):
            stand.refusals["get", resource] = Forbidden(403, "Forbidden", "no")
        for verb in (rollback, promote, pause, reject):
            assert stand.run(verb.run, "fraud", *WHY).code == 0
        assert [one["spec"].get("candidateDigest") for one in stand.created] == [None] * 4

    def test_a_login_that_is_over(self) -> None:
        stand = Stand(observation=ROLLING)
        stand.refusals["create", "selfsubjectreviews"] = Forbidden(401, "Unauthorized", "Unauthorized")
        assert "the API server does not know you" in stand.run(pause.run, "fraud", *WHY).error

    def test_what_breaks_a_rule_is_told_as_the_policy_says_it(self) -> None:
        stand = Stand(observation=REVIEWED)
        said = "... denied request: spec.expiresAt of an approval must lie at most 7 days ahead"
        stand.refusals["create", "rolloutactions"] = Invalid(422, "Invalid", said)
        printed = stand.run(approve.run, "fraud", *WHY)
        assert printed.error == "spec.expiresAt of an approval must lie at most 7 days ahead"


@pytest.mark.parametrize("verb", [rollback, promote, pause, resume, retry, approve, reject])
def test_a_deployment_that_is_not_there_is_not_asked_about(verb: ModuleType) -> None:
    stand = Stand(observation=ROLLING)
    printed = stand.run(verb.run, "frod", *WHY)
    assert "did you mean fraud?" in printed.error
    assert stand.created == []


def test_nothing_to_approve() -> None:
    stand = Stand(observation=live(spec("1")))
    assert "has no candidate" in stand.run(approve.run, "fraud", *WHY).error
    assert stand.created == []


def test_actions_keep_the_rules_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every action that was made here is one that the API server would take."""
    from modelrollout.api.rolloutaction import RolloutAction

    stand = Stand(observation=REVIEWED)
    for verb, words in _every_way():
        stand.run(verb.run, "fraud", *words, *WHY)
    read = [RolloutAction.read(one) for one in stand.created]
    assert len(read) == len(_every_way())


def _every_way() -> list[tuple[Any, list[str]]]:
    return [
        *((verb, []) for verb in (rollback, promote, pause, resume, retry, reject, approve)),
        (rollback, ["--to", "1"]),
        (approve, ["--role", "model-risk", "--expires-in", "2h"]),
        (reject, ["--expires-in", "5m"]),
    ]
