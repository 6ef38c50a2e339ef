"""Shadow: copies of all requests, and nobody sees the answers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.api.rollout import CanaryStage, Pace, ShadowStage, Stage
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyRoute, ApplyWorkload
from modelrollout.plan.observation import Observation, Unreadable
from tests.builders import (
    CANARY,
    FEW,
    GOOD,
    NOTHING,
    NOW,
    PACED,
    SHADOW,
    SOAK,
    Arms,
    evidence,
    id_of,
    reading,
    rolling,
    route,
    spec,
)

V1, V2 = spec("1"), spec("2")
PATIENT = spec("2", stages=(Stage(shadow=ShadowStage(min_requests=4001, hold_for="30s")), CANARY, SOAK))


def shadowing(seen: Arms | None = FEW, *, since: float = 600, ready: int = 3) -> Observation:
    return rolling(V2, StageName.SHADOW, seen=seen, since=since, ready=ready)


def test_the_mirror_goes_on_when_all_pods_of_the_candidate_are_ready() -> None:
    given = replace(shadowing(None), route=route(V1))

    planned = plan(given, NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2, mirror=True)),)
    assert planned.wants_readings


@pytest.mark.parametrize("ready", [0, 1, 2])
def test_there_is_no_mirror_to_fewer_pods_than_the_live_version_has(ready: int) -> None:
    planned = plan(replace(shadowing(ready=ready), route=route(V1, V2, mirror=True)), NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2)),)
    assert planned.status.conditions[0].reason == "WaitingForPods"
    assert planned.status.conditions[0].message == f"{ready} of 3 pods of the candidate are ready"


def test_it_asks_for_as_many_pods_as_the_live_version_has() -> None:
    planned = plan(rolling(V2, StageName.SHADOW, replicas=1), NOW)

    assert ApplyWorkload(revision=id_of(V2), replicas=3) in planned.actions


def test_it_passes_to_the_first_weight_of_the_canary_when_every_gate_is_safe() -> None:
    planned = plan(shadowing(GOOD), NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2, weight=5)),)
    assert (planned.status.stage, planned.status.weight) == ("Canary", 5)
    record = planned.revisions[id_of(V2)].decisions[-1]
    assert (record.outcome, record.reason, record.verdict) == (Outcome.ADVANCE, "ShadowPassed", "Pass")


def test_the_mirror_ends_with_the_stage() -> None:
    planned = plan(shadowing(GOOD), NOW)

    action = planned.actions[0]
    assert isinstance(action, ApplyRoute)
    assert action.route.mirror is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (rolling(PATIENT, StageName.SHADOW, seen=GOOD), "fewer requests than minRequests"),
        (shadowing(GOOD, since=29), "shorter than holdFor"),
        (shadowing(FEW), "too little evidence"),
        (shadowing(NOTHING), "no data"),
        (shadowing(None), "no reading yet"),
        (replace(shadowing(None), evidence=evidence(GOOD, of=V2, at=NOW - timedelta(seconds=16))), "old data"),
        (replace(shadowing(GOOD), reading=Unreadable("connection refused")), "Prometheus cannot be asked"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_it_holds(given: Observation, why: str) -> None:
    planned = plan(given, NOW)

    assert planned.status.stage is StageName.SHADOW, why
    assert planned.actions == ()
    assert planned.status.conditions[1].type == "Reconciling"
    assert planned.status.conditions[1].status == "True"


def test_it_says_how_many_requests_it_still_waits_for() -> None:
    message = plan(shadowing(FEW), NOW).status.conditions[0].message

    assert message.startswith("20 of 500 mirrored requests; Insufficient; gate errors: candidate 0 of 20 (0 %) bad")


@pytest.mark.parametrize(
    ("given", "reason", "sentence"),
    [
        (shadowing(NOTHING), "NoData", "no request of the candidate has been seen yet"),
        (shadowing(None), "WaitingForMetrics", "waiting for the first reading"),
        (
            replace(shadowing(FEW), reading=Unreadable("connection refused")),
            "MetricsUnavailable",
            "Prometheus cannot be asked: connection refused",
        ),
        (
            replace(shadowing(FEW), reading=reading(missing={"errors": "no such bucket"})),
            "MetricsUnavailable",
            "no such bucket",
        ),
    ],
)
def test_each_way_of_holding_has_a_reason_of_its_own(given: Observation, reason: str, sentence: str) -> None:
    ready = plan(given, NOW).status.conditions[0]

    assert ready.reason == reason
    assert sentence in ready.message


def test_it_wakes_when_the_hold_ends() -> None:
    assert plan(shadowing(GOOD, since=10), NOW).requeue_after == pytest.approx(20)


def test_it_passes_to_the_soak_with_no_weight_where_the_policy_has_no_canary() -> None:
    of = spec("2", stages=(SHADOW, SOAK))

    planned = plan(rolling(of, StageName.SHADOW, seen=GOOD), NOW)

    assert (planned.status.stage, planned.status.weight) == ("Soak", 0)


def test_a_busy_service_starts_the_canary_with_a_smaller_weight_than_a_quiet_one() -> None:
    few_errors = Stage(canary=CanaryStage(pace=Pace.EVIDENCE, error_budget=1))
    of = spec("2", stages=(SHADOW, few_errors, SOAK))
    given = rolling(of, StageName.SHADOW, seen=((1500, 1), (1500, 1)))
    ticking = replace(given, evidence=evidence(((1500, 1), (1500, 1)), of=of, at=NOW - timedelta(seconds=5)))

    quiet = plan(replace(ticking, reading=reading(((500, 0), (500, 0)))), NOW)
    busy = plan(replace(ticking, reading=reading(((50_000, 50), (50_000, 50)))), NOW)

    assert quiet.status.stage is busy.status.stage is StageName.CANARY
    assert busy.status.weight < quiet.status.weight


def test_the_first_weight_is_sized_by_the_evidence_also_when_the_hold_ends_between_two_readings() -> None:
    of = spec("2", stages=(SHADOW, PACED, SOAK))
    holding = replace(
        rolling(of, StageName.SHADOW, since=28),
        evidence=evidence(((1500, 1), (1500, 1)), of=of, at=NOW - timedelta(seconds=5)),
        reading=reading(((500, 0), (500, 0))),
    )
    held = plan(holding, NOW)

    later = NOW + timedelta(seconds=2)
    passed = plan(replace(holding, status=held.status, evidence=held.evidence, reading=None), later)

    assert held.status.stage is StageName.SHADOW
    assert passed.status.stage is StageName.CANARY
    assert passed.status.weight > 1


def test_a_shadow_that_was_taken_out_of_the_policy_gives_no_weight_to_pods_that_are_not_there() -> None:
    of = spec("2", stages=(CANARY, SOAK))

    planned = plan(replace(rolling(of, StageName.SHADOW, ready=0), route=route(V1, of)), NOW)

    assert planned.actions == ()
    assert (planned.status.stage, planned.status.weight) == ("Canary", 0)
