"""Soak: all traffic on the new version, the old one kept warm."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyEntry, ApplyRoute, ApplyWorkload, RemoveWorkload
from modelrollout.plan.observation import Trouble
from tests.builders import CANARY, NOW, SHADOW, SOAK, id_of, pod, revision, rolling, route, selector, spec

V1, V2 = spec("1"), spec("2")


def test_the_old_version_keeps_its_pods_until_the_soak_has_ended() -> None:
    planned = plan(rolling(V2, StageName.SOAK, weight=100, since=599), NOW)

    assert planned.actions == ()
    assert (planned.status.stage, planned.status.stable, planned.status.weight) == ("Soak", id_of(V1), 100)
    assert planned.requeue_after == pytest.approx(1)


def test_the_new_version_is_live_when_the_soak_has_ended() -> None:
    planned = plan(rolling(V2, StageName.SOAK, weight=100, since=600), NOW)

    assert (planned.status.stage, planned.status.stable, planned.status.candidate) == ("Live", id_of(V2), None)
    assert planned.status.stable_version == "2"
    assert planned.revisions[id_of(V2)].state is RevisionState.LIVE
    assert planned.revisions[id_of(V2)].decisions[-1].outcome is Outcome.PROMOTE
    assert planned.revisions[id_of(V1)].state is RevisionState.SUPERSEDED
    assert planned.revisions[id_of(V1)].traffic_ended_at == NOW


def test_promotion_moves_services_and_removes_nothing_yet() -> None:
    planned = plan(rolling(V2, StageName.SOAK, weight=100, since=600), NOW)

    assert planned.actions == (ApplyRoute(route(V2, V1)), ApplyEntry(selector=selector(id_of(V2)), port=8080))
    assert planned.requeue_after == pytest.approx(10)


@pytest.mark.parametrize("ready", [0, 1, 2])
def test_a_version_whose_pods_are_not_all_ready_is_not_promoted_however_long_it_soaked(ready: int) -> None:
    """The old version is what carries the traffic then; its pods must not go."""
    planned = plan(rolling(V2, StageName.SOAK, weight=100, since=6000, ready=ready), NOW)

    assert (planned.status.stage, planned.status.stable) == ("Soak", id_of(V1))
    assert planned.status.conditions[0].reason == "WaitingForPods"
    assert not any(isinstance(action, RemoveWorkload) for action in planned.actions)


def test_pods_that_cannot_be_pulled_at_the_end_of_the_soak_stall_it() -> None:
    given = rolling(V2, StageName.SOAK, weight=100, since=600, ready=2, pods=[pod(Trouble.IMAGE_PULL, of=V2)])

    planned = plan(given, NOW)

    assert planned.status.conditions[2].type == "Stalled"
    assert planned.status.conditions[2].status == "True"
    assert planned.status.conditions[0].reason == Trouble.IMAGE_PULL


def test_pods_that_are_lost_in_the_soak_give_their_share_back_to_the_old_version() -> None:
    planned = plan(rolling(V2, StageName.SOAK, weight=100, since=60, ready=2), NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2, weight=66)),)


def test_without_a_soak_in_the_policy_the_new_version_is_live_at_once() -> None:
    of = spec("2", stages=(SHADOW, CANARY))

    assert plan(rolling(of, StageName.SOAK, weight=100, since=0), NOW).status.stage is StageName.LIVE


def test_a_rollout_without_a_canary_gets_all_of_the_traffic_when_its_pods_can_carry_it() -> None:
    of = spec("2", stages=(SHADOW, SOAK))

    waiting = plan(rolling(of, StageName.SOAK, replicas=2), NOW)
    ready = plan(rolling(of, StageName.SOAK), NOW)

    assert waiting.actions == (ApplyWorkload(revision=id_of(V2), replicas=3),)
    assert waiting.status.weight == 0
    assert ready.actions == (ApplyRoute(route(V1, V2, weight=100)),)
    assert (ready.status.weight, ready.status.weight_changed_at) == (100, NOW)


def test_moving_all_of_the_traffic_is_on_the_record() -> None:
    planned = plan(rolling(spec("2", stages=(SHADOW, SOAK)), StageName.SOAK), NOW)

    record = planned.revisions[id_of(V2)].decisions[-1]
    assert (record.outcome, record.reason, record.weight) == (Outcome.ADVANCE, "AllTraffic", 100)


def test_a_candidate_on_its_way_to_all_of_the_traffic_keeps_the_share_that_it_has() -> None:
    """It comes here with a share when time was up and the policy says Promote."""
    planned = plan(rolling(V2, StageName.SOAK, weight=25, replicas=2), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(V2), replicas=3),)
    assert planned.status.weight == 25


def test_the_old_pods_go_when_they_had_time_to_answer_their_last_requests() -> None:
    soaked = rolling(V2, StageName.SOAK, weight=100, since=600)
    promoted = plan(soaked, NOW)
    new = replace(revision(V2), status=promoted.revisions[id_of(V2)])
    old = replace(revision(V1), status=promoted.revisions[id_of(V1)])
    done = replace(
        soaked,
        status=promoted.status,
        revisions={id_of(V1): old, id_of(V2): new},
        route=route(V2, V1),
        entry=replace(soaked.entry, selector=selector(id_of(V2))) if soaked.entry else None,
    )

    assert plan(done, NOW + timedelta(seconds=9)).actions == ()
    assert plan(done, NOW + timedelta(seconds=10)).actions == (
        ApplyRoute(route(V2)),
        RemoveWorkload(revision=id_of(V1)),
    )


def test_a_port_that_changes_with_the_version_changes_with_the_traffic() -> None:
    old, new = spec("1", route=False, port=8080), spec("2", route=False, port=9090)
    given = rolling(new, StageName.SOAK, live=old, weight=100, since=60)

    planned = plan(given, NOW)

    assert planned.actions == (ApplyEntry(selector=selector(id_of(new)), port=9090),)
