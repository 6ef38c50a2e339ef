"""The offline gate: two numbers, a tolerance, and nothing that is missing ever passes."""

from dataclasses import replace
from typing import Any

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import RevisionState
from modelrollout.api.rollout import Inconclusive, OfflineGate
from modelrollout.evidence import Verdict
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyWorkload
from modelrollout.plan.observation import Observation
from modelrollout.plan.offline import compare
from tests.builders import CANARY, NOW, REVIEW, SOAK, id_of, installing, live, rolling, spec

F1 = OfflineGate(metric="f1", tolerate=0.01)
LOSS = OfflineGate(metric="log_loss", higher_is_better=False)
V1 = spec("1")

CASES: dict[str, tuple[tuple[OfflineGate, ...], dict[str, float], dict[str, float], Verdict, str]] = {
    "better": (
        (F1,),
        {"f1": 0.95},
        {"f1": 0.91},
        Verdict.Pass,
        "f1 of the candidate is 0.95, of the live version 0.91",
    ),
    "just tolerated": ((F1,), {"f1": 0.9}, {"f1": 0.91}, Verdict.Pass, ""),
    "worse": ((F1,), {"f1": 0.88}, {"f1": 0.91}, Verdict.Fail, "higher is better, and 0.01 is tolerated"),
    "lower is better": ((LOSS,), {"log_loss": 0.1}, {"log_loss": 0.2}, Verdict.Pass, ""),
    "a loss that grew": ((LOSS,), {"log_loss": 0.3}, {"log_loss": 0.2}, Verdict.Fail, "lower is better"),
    "no metric of the candidate": ((F1,), {}, {"f1": 0.91}, Verdict.NoData, "no metric f1 of version 2; log it"),
    "no metric of the live one": ((F1,), {"f1": 0.91}, {}, Verdict.NoData, "no metric f1 of version 1; log it"),
    "none of either": ((F1,), {}, {}, Verdict.NoData, "no metric f1 of version 2 and version 1"),
    "one worse, one missing": ((LOSS, F1), {"f1": 0.5}, {"f1": 0.9}, Verdict.Fail, "f1 of the candidate is 0.5"),
    "one good, one missing": ((F1, LOSS), {"f1": 0.9}, {"f1": 0.9}, Verdict.NoData, "no metric log_loss"),
}


@pytest.mark.parametrize(("gates", "candidate", "stable", "verdict", "says"), CASES.values(), ids=CASES.keys())
def test_the_comparison(
    gates: tuple[OfflineGate, ...], candidate: dict[str, float], stable: dict[str, float], verdict: Verdict, says: str
) -> None:
    found = compare(gates, candidate=candidate, stable=stable, versions=("2", "1"))

    assert found.verdict is verdict
    assert says in found.message


def judged_offline(of: ModelDeploymentSpec, **changes: Any) -> ModelDeploymentSpec:
    return of.model_copy(update={"rollout": of.rollout.model_copy(update={"offline": (F1,), **changes})})


V2 = judged_offline(spec("2"))


def evaluating(of: ModelDeploymentSpec = V2, *, metrics: tuple[float, float] | None, since: float = 60) -> Observation:
    """`metrics` are the f1 of the candidate and of the live version."""
    given = rolling(of, StageName.EVALUATE, replicas=0, since=since)
    if metrics is None:
        return given
    return replace(given, metrics={id_of(of): {"f1": metrics[0]}, id_of(V1): {"f1": metrics[1]}})


def test_a_rollout_with_offline_gates_begins_without_a_pod() -> None:
    planned = plan(live(V2, live=V1), NOW)

    assert planned.status.stage is StageName.EVALUATE
    assert [action.replicas for action in planned.actions if isinstance(action, ApplyWorkload)] == [0]
    assert planned.revisions[id_of(V2)].state is RevisionState.EVALUATING


def test_one_that_is_not_worse_goes_to_the_first_stage() -> None:
    planned = plan(evaluating(metrics=(0.92, 0.91)), NOW)

    assert (planned.status.stage, planned.status.weight) == (StageName.SHADOW, 0)
    assert planned.records[0].reason == "OfflinePassed"
    assert planned.records[0].verdict == "Pass"
    assert planned.status.resumed_at == NOW, "the time that a rollout may take begins now"


def test_one_that_is_worse_is_rejected_with_both_numbers_on_record() -> None:
    planned = plan(evaluating(metrics=(0.8, 0.91)), NOW)

    assert (planned.status.stage, planned.status.candidate) == (StageName.LIVE, None)
    assert planned.status.rejected == id_of(V2)
    status = planned.revisions[id_of(V2)]
    assert status.state is RevisionState.REJECTED
    assert "0.8" in status.decisions[-1].message
    assert "0.91" in status.decisions[-1].message
    assert status.decisions[-1].gate == "f1"


def test_a_missing_metric_holds_and_is_looked_at_again_when_the_time_is_over() -> None:
    planned = plan(evaluating(metrics=None), NOW)

    assert (planned.status.stage, planned.status.conditions[0].reason) == (StageName.EVALUATE, "NoData")
    assert planned.requeue_after == pytest.approx(7200 - 60)


@pytest.mark.parametrize(
    ("choice", "stage", "state"),
    [
        (Inconclusive.PAUSE, StageName.EVALUATE, RevisionState.EVALUATING),
        (Inconclusive.ROLLBACK, StageName.LIVE, RevisionState.REJECTED),
        (Inconclusive.PROMOTE, StageName.SHADOW, RevisionState.SHADOW),
    ],
)
def test_when_the_time_is_over_the_policy_decides(choice: Inconclusive, stage: StageName, state: RevisionState) -> None:
    of = judged_offline(spec("2"), on_inconclusive=choice)

    planned = plan(evaluating(of, metrics=None, since=7201), NOW)

    assert planned.status.stage is stage
    assert planned.revisions[id_of(of)].state is state


def test_a_pause_does_not_end_itself_when_metrics_come_but_harm_does() -> None:
    paused = plan(evaluating(metrics=None, since=7201), NOW)
    given = replace(evaluating(metrics=(0.95, 0.91), since=7201), status=paused.status)

    assert plan(given, NOW).status.stage is StageName.EVALUATE
    worse = replace(given, metrics={id_of(V2): {"f1": 0.5}, id_of(V1): {"f1": 0.9}})
    assert plan(worse, NOW).status.rejected == id_of(V2)


def test_a_review_comes_after_it() -> None:
    of = judged_offline(spec("2", stages=(REVIEW, CANARY, SOAK)))

    assert plan(evaluating(of, metrics=(0.9, 0.9)), NOW).status.stage is StageName.REVIEW


def test_taken_out_of_the_policy_it_goes_on() -> None:
    planned = plan(rolling(spec("2"), StageName.EVALUATE, replicas=0), NOW)

    assert (planned.status.stage, planned.records[0].reason) == (StageName.SHADOW, "OfflineRemoved")


def test_a_first_version_has_nothing_to_be_compared_with() -> None:
    assert plan(installing(V2, ready=3), NOW).status.stage is StageName.LIVE
