"""`kubectl model why` while a disagreement waits for a person: where the two versions differ."""

import pytest

from modelrollout.adapters.kubernetes import ApiError, Forbidden
from modelrollout.api.modeldeployment import StageName
from modelrollout.cli import why
from tests.builders import AGREEMENT, BAD, ERRORS, rolling, spec
from tests.unit.cli.stand import Stand

DIFFERS = rolling(spec("2", gates=(AGREEMENT,)), StageName.SHADOW, seen=BAD)
PAGE = "payments/fraud-observer:9090/disagreements"
EXAMPLE = {
    "asked": {"features": [17.99, 10.38]},
    "outputs": {"predict": {"reason": "1 of 1 elements differ", "live": [1], "candidate": [0]}},
}


def test_the_worst_examples_follow_the_decision() -> None:
    stand = Stand(observation=DIFFERS, pages={PAGE: {"disagreements": [EXAMPLE] * 5}})
    printed = stand.run(why.run, "fraud")
    assert printed.code == 0
    assert "(Disagreement) in stage Shadow" in " ".join(printed.out.split())
    assert "Where they differ most (3 of 5 examples):" in printed.lines
    assert '1. asked: {"features": [17.99, 10.38]}' in printed.lines
    assert "   predict: live [1], candidate [0] (1 of 1 elements differ)" in printed.lines
    assert not any(line.startswith("4.") for line in printed.lines)


def test_a_candidate_that_gave_no_answer_is_told() -> None:
    page = {"disagreements": [{"asked": "x" * 1000, "outputs": {}, "candidateFailed": "status 500"}]}
    printed = Stand(observation=DIFFERS, pages={PAGE: page}).run(why.run, "fraud")
    assert "   the candidate gave no answer: status 500" in printed.lines
    assert max(len(line) for line in printed.lines) < 330


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            Forbidden(
                403,
                "Forbidden",
                'services "fraud-observer:9090" is forbidden: User "otto" cannot get resource "services/proxy" in API '
                'group "" in the namespace "payments"',
            ),
            "it takes the verb get on services/proxy",
        ),
        (ApiError(503, "ServiceUnavailable", "no endpoints available"), "cannot be asked for examples: no endpoints"),
    ],
)
def test_why_says_all_the_rest_where_examples_cannot_be_read(error: ApiError, told: str) -> None:
    printed = Stand(observation=DIFFERS, refusals={("proxy", "services"): error}).run(why.run, "fraud")
    assert printed.code == 0
    assert "differ from the live version's" in " ".join(printed.out.split())
    assert told in printed.out


def test_nobody_is_asked_where_nothing_waits() -> None:
    stand = Stand(observation=rolling(spec("2", gates=(ERRORS,)), StageName.CANARY, weight=25, seen=BAD))
    stand.run(why.run, "fraud")
    assert ("proxy", "services") not in stand.asked


def test_for_a_program_the_decision_is_enough() -> None:
    stand = Stand(observation=DIFFERS)
    assert stand.run(why.run, "fraud", "-o", "json").code == 0
    assert ("proxy", "services") not in stand.asked
