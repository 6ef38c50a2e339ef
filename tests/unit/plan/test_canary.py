"""Canary: a growing share of real requests, each step with its pods and its evidence."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.api.rollout import CanaryStage, Pace, Stage
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyRoute, ApplyWorkload
from modelrollout.plan.capacity import carried_weight, replicas_for, replicas_for_ratio
from modelrollout.plan.observation import Observation, Unreadable
from tests.builders import (
    FEW,
    GOOD,
    NOTHING,
    NOW,
    PACED,
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


def stepping(
    weight: int,
    arms: Arms = FEW,
    *,
    of: Stage | None = None,
    before: Arms = FEW,
    held: float = 600,
    replicas: int = 3,
    ready: int | None = None,
) -> Observation:
    """A canary at this weight since `held` seconds, with a new reading of these requests."""
    wanted = spec("2", stages=(of, SOAK), replicas=replicas) if of else spec("2", replicas=replicas)
    given = rolling(wanted, StageName.CANARY, weight=weight, since=held, ready=ready)
    known = evidence(before, of=wanted, at=NOW - timedelta(seconds=5))
    return replace(given, evidence=known, reading=reading(arms))


def test_a_canary_that_begins_asks_for_the_pods_of_its_first_weight() -> None:
    of = spec("2", replicas=10)

    planned = plan(rolling(of, StageName.CANARY, replicas=0), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(of), replicas=2),)
    assert planned.status.weight == 0


def test_a_canary_that_begins_gets_its_first_weight_when_its_pods_are_ready() -> None:
    planned = plan(rolling(V2, StageName.CANARY, replicas=2), NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2, weight=5)),)
    assert (planned.status.weight, planned.status.weight_changed_at) == (5, NOW)


@pytest.mark.parametrize(("weight", "following"), [(5, 25), (25, 50)])
def test_a_fixed_weight_that_was_held_long_enough_gives_way_to_the_next(weight: int, following: int) -> None:
    planned = plan(stepping(weight, held=60), NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2, weight=following)),)
    assert planned.status.weight == following
    assert planned.revisions[id_of(V2)].decisions[-1].outcome is Outcome.ADVANCE


def test_a_fixed_weight_is_held_for_its_time_however_good_the_candidate_is() -> None:
    planned = plan(stepping(5, GOOD, held=59), NOW)

    assert planned.actions == ()
    assert planned.status.weight == 5
    assert planned.requeue_after == pytest.approx(1)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(stepping(5, ((0, 0), (60, 0))), id="no-request-of-the-candidate"),
        pytest.param(stepping(5, ((20, 0), (0, 0))), id="no-request-of-the-live-version"),
        pytest.param(stepping(5, NOTHING), id="no-request-at-all"),
        pytest.param(replace(stepping(5), reading=None), id="no-reading-since"),
        pytest.param(replace(stepping(5), reading=Unreadable("refused")), id="Prometheus-cannot-be-asked"),
        pytest.param(replace(stepping(5), reading=reading(FEW, at=NOW - timedelta(seconds=16))), id="old-reading"),
    ],
)
def test_a_step_needs_requests_of_both_arms_that_are_of_now(given: Observation) -> None:
    planned = plan(given, NOW)

    assert planned.actions == ()
    assert planned.status.weight == 5


def read_before(given: Observation, *, seconds: float) -> Observation:
    """The newest reading, with requests of both arms, was taken up by a plan so many seconds ago."""
    known = evidence(FEW, of=given.spec, at=NOW - timedelta(seconds=seconds))
    return replace(given, reading=None, evidence=replace(known, both_served=True, requests_per_second=20))


@pytest.mark.parametrize("of", [None, PACED])
def test_a_step_needs_a_reading_from_after_the_last_one(of: Stage | None) -> None:
    of_this_weight = read_before(stepping(5, of=of, held=60), seconds=5)
    at_the_change = of_this_weight.status.model_copy(update={"weight_changed_at": NOW - timedelta(seconds=5)})

    assert plan(of_this_weight, NOW).status.weight > 5
    assert plan(replace(of_this_weight, status=at_the_change), NOW).status.weight == 5


def test_a_reading_is_good_for_a_step_for_three_intervals_and_not_while_prometheus_cannot_be_asked() -> None:
    given = read_before(stepping(5), seconds=15)

    assert plan(given, NOW).status.weight == 25
    assert plan(given, NOW + timedelta(seconds=1)).status.weight == 5
    assert plan(replace(given, reading=Unreadable("refused")), NOW).status.weight == 5


def test_a_step_that_was_decided_stays_decided_while_its_pods_start() -> None:
    """Events of pods come between readings; they must not take back what the last reading asked for."""
    given = stepping(10, of=PACED, replicas=20, ready=2)
    waiting = plan(given, NOW)

    at_an_event = replace(given, status=waiting.status, evidence=waiting.evidence, reading=None)
    again = plan(at_an_event, NOW + timedelta(seconds=1))

    assert waiting.status.conditions[0].reason == again.status.conditions[0].reason == "WaitingForPods"
    assert waiting.actions[-1:] == again.actions[-1:]
    assert again.status == waiting.status


def test_pods_come_before_weight() -> None:
    given = rolling(spec("2", replicas=20), StageName.CANARY, weight=5, replicas=2)

    planned = plan(replace(given, evidence=stepping(5).evidence, reading=reading(FEW)), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(V2), replicas=5),)
    assert planned.status.weight == 5
    assert planned.status.conditions[0].reason == "WaitingForPods"


@pytest.mark.parametrize("ready", range(4))
@pytest.mark.parametrize("weight", [5, 25, 50])
def test_the_weight_is_never_above_what_the_ready_pods_can_carry(weight: int, ready: int) -> None:
    given = rolling(V2, StageName.CANARY, weight=weight, ready=ready, seen=FEW)

    planned = plan(given, NOW)

    after = next((action.route for action in planned.actions if isinstance(action, ApplyRoute)), given.route)
    assert after is not None
    share = sum(backend.weight for backend in after.backends if backend.service.endswith(id_of(V2)))
    assert share == min(weight, ready * 100 // 3)


def test_a_pod_that_is_lost_takes_its_share_of_the_weight_with_it_and_brings_it_back() -> None:
    lost = plan(rolling(V2, StageName.CANARY, weight=50, ready=1, seen=FEW), NOW)
    back = plan(replace(rolling(V2, StageName.CANARY, weight=50, seen=FEW), route=route(V1, V2, weight=33)), NOW)

    assert lost.actions == (ApplyRoute(route(V1, V2, weight=33)),)
    assert back.actions == (ApplyRoute(route(V1, V2, weight=50)),)


def test_it_passes_when_every_gate_is_safe_at_the_last_weight() -> None:
    planned = plan(stepping(50, GOOD), NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2, weight=100)),)
    assert (planned.status.stage, planned.status.weight) == ("Soak", 100)
    record = planned.revisions[id_of(V2)].decisions[-1]
    assert (record.reason, record.verdict) == ("CanaryPassed", "Pass")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(stepping(25, GOOD, held=59), id="before-the-last-weight"),
        pytest.param(stepping(50, FEW), id="not-yet-safe"),
        pytest.param(stepping(50, GOOD, held=59), id="not-held-long-enough"),
        pytest.param(replace(stepping(50, GOOD), reading=Unreadable("refused")), id="Prometheus-cannot-be-asked"),
        pytest.param(
            replace(stepping(50, before=GOOD), reading=reading(FEW, at=NOW - timedelta(seconds=16))), id="old-data"
        ),
        pytest.param(stepping(50, GOOD, ready=2), id="pods-for-all-of-the-traffic-are-missing"),
    ],
)
def test_it_does_not_pass(given: Observation) -> None:
    planned = plan(given, NOW)

    assert planned.status.stage is StageName.CANARY
    assert planned.status.weight == given.status.weight


def test_the_last_weight_is_not_left_by_time_alone() -> None:
    """Evidence from lower weights is not enough: somebody has to have been served at this one."""
    unserved = rolling(V2, StageName.CANARY, weight=50, seen=GOOD)

    assert plan(unserved, NOW).status.weight == 50
    assert plan(rolling(V2, StageName.CANARY, weight=50, seen=GOOD, both_served=True), NOW).status.weight == 100


def test_before_all_of_the_traffic_all_of_the_pods_are_asked_for() -> None:
    given = rolling(V2, StageName.CANARY, weight=50, replicas=2, seen=GOOD, both_served=True)

    planned = plan(given, NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(V2), replicas=3),)
    assert planned.status.conditions[0].message == "every gate is safe; 2 of 3 pods of the candidate are ready"


def test_a_canary_that_was_taken_out_of_the_policy_goes_on_to_the_soak() -> None:
    of = spec("2", stages=(SOAK,))

    planned = plan(rolling(of, StageName.CANARY, weight=5, seen=FEW), NOW)

    assert (planned.status.stage, planned.status.weight) == ("Soak", 100)


def test_with_pace_evidence_the_weight_grows_as_far_as_the_error_budget_allows() -> None:
    """Nothing is known of the candidate (bound 1): 60 requests a second for 5 s cost 3 errors a percent, of 30."""
    given = stepping(1, ((3, 0), (297, 0)), of=PACED, before=NOTHING)

    assert plan(given, NOW).status.weight == 10


def test_with_pace_evidence_a_candidate_that_is_known_to_be_good_goes_faster() -> None:
    known = plan(stepping(1, ((100, 0), (2000, 2)), of=PACED, before=GOOD), NOW).status.weight
    unknown = plan(stepping(1, ((100, 0), (2000, 2)), of=PACED, before=NOTHING), NOW).status.weight

    assert unknown < known == 50


def test_with_pace_evidence_the_weight_never_falls() -> None:
    busy = ((500_000, 500), (500_000, 500))

    assert plan(stepping(25, busy, of=PACED, before=NOTHING), NOW).status.weight == 25


def test_with_pace_evidence_steps_need_no_time_but_passing_does() -> None:
    at_last = stepping(50, GOOD, of=PACED, held=29)

    assert plan(stepping(1, GOOD, of=PACED, held=5), NOW).status.weight == 50
    assert plan(at_last, NOW).status.stage is StageName.CANARY
    assert plan(at_last, NOW).requeue_after == pytest.approx(1)
    assert plan(stepping(50, GOOD, of=PACED, held=30), NOW).status.stage is StageName.SOAK


def test_a_small_error_budget_makes_small_steps() -> None:
    frugal = Stage(canary=CanaryStage(pace=Pace.EVIDENCE, error_budget=6))
    arms = ((3, 0), (297, 0))

    assert plan(stepping(1, arms, of=frugal, before=NOTHING), NOW).status.weight == 2


@pytest.mark.parametrize(
    ("weight", "replicas", "pods"),
    [(0, 10, 0), (1, 1, 1), (1, 2, 2), (1, 10, 2), (20, 10, 2), (21, 10, 3), (50, 10, 5), (99, 10, 10), (100, 10, 10)],
)
def test_pods_for_a_weight(weight: int, replicas: int, pods: int) -> None:
    assert replicas_for(weight=weight, replicas=replicas) == pods


@pytest.mark.parametrize("replicas", [1, 2, 3, 7, 10, 33, 500])
def test_the_pods_that_are_asked_for_a_weight_can_carry_it(replicas: int) -> None:
    for weight in range(101):
        assert carried_weight(ready=replicas_for(weight=weight, replicas=replicas), replicas=replicas) >= weight


@pytest.mark.parametrize(
    ("weight", "replicas", "pods"), [(0, 9, 0), (1, 3, 1), (10, 9, 1), (25, 9, 3), (50, 9, 9), (99, 9, 9), (100, 9, 9)]
)
def test_pods_for_a_ratio(weight: int, replicas: int, pods: int) -> None:
    assert replicas_for_ratio(weight=weight, replicas=replicas) == pods
