"""No rollout under way, and the ways in which one ends by the user's hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.plan import plan
from modelrollout.plan.actions import (
    ApplyEntry,
    ApplyRoute,
    ApplyService,
    ApplyWorkload,
    CreateRevision,
    RemoveRoute,
    RemoveWorkload,
)
from modelrollout.plan.observation import Observation, Trouble
from tests.builders import (
    FEW,
    NOW,
    ago,
    id_of,
    live,
    observation,
    pod,
    revision,
    rolling,
    route,
    selector,
    spec,
)

V1, V2, V3 = spec("1"), spec("2"), spec("3")


def test_a_live_version_with_all_of_its_pods_is_ready() -> None:
    planned = plan(live(V1), NOW)

    assert planned.actions == ()
    assert (planned.status.conditions[0].type, planned.status.conditions[0].status) == ("Ready", "True")
    assert not planned.wants_readings
    assert planned.requeue_after is None


def test_scaling_applies_replicas_and_starts_no_rollout() -> None:
    given = replace(live(V1), spec=spec("1", replicas=5))

    planned = plan(given, NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(V1), replicas=5),)
    assert planned.status.conditions[0].reason == "Scaling"
    assert planned.status.stage is StageName.LIVE


def test_a_live_version_that_lost_pods_keeps_its_traffic_and_says_so() -> None:
    lost = revision(V1, ready=1, state=RevisionState.LIVE)

    planned = plan(replace(live(V1), revisions={id_of(V1): lost}), NOW)

    assert planned.actions == ()
    assert planned.status.conditions[0].message == "1 of 3 pods of version 1 are ready"


def test_trouble_of_the_live_version_stalls_and_goes_nowhere() -> None:
    lost = revision(V1, ready=1, state=RevisionState.LIVE, pods=[pod(Trouble.CRASH_LOOP, of=V1)])

    planned = plan(replace(live(V1), revisions={id_of(V1): lost}), NOW)

    assert planned.actions == ()
    assert (planned.status.stable, planned.status.conditions[2].status) == (id_of(V1), "True")


@pytest.mark.parametrize(("stage", "weight"), [(StageName.SHADOW, 0), (StageName.CANARY, 25), (StageName.SOAK, 100)])
def test_naming_the_live_version_again_reverts_the_rollout_with_the_traffic_first(
    stage: StageName, weight: int
) -> None:
    given = rolling(V2, stage, weight=weight, since=60, seen=FEW)

    planned = plan(replace(given, spec=V1, target=id_of(V1)), NOW)

    assert planned.actions == (ApplyRoute(route(V1, V2)),)
    assert (planned.status.stage, planned.status.candidate, planned.status.rejected) == ("Live", None, None)
    assert planned.status.conditions[0].status == "True"
    reverted = planned.revisions[id_of(V2)]
    assert (reverted.state, reverted.traffic_ended_at) == (RevisionState.SUPERSEDED, NOW)
    assert (reverted.decisions[-1].outcome, reverted.decisions[-1].reason) == (Outcome.SUPERSEDE, "Reverted")


def test_objects_that_somebody_deleted_come_back() -> None:
    bare = revision(V1, replicas=None, state=RevisionState.LIVE)

    planned = plan(replace(live(V1), revisions={id_of(V1): bare}, entry=None, route=None), NOW)

    assert planned.actions == (
        ApplyRoute(route(V1)),
        ApplyEntry(selector=selector(id_of(V1)), port=8080),
        ApplyService(revision=id_of(V1)),
        ApplyWorkload(revision=id_of(V1), replicas=3),
    )


def test_a_route_that_somebody_edited_is_put_right() -> None:
    planned = plan(replace(live(V1), route=route(V1, V2, weight=10)), NOW)

    assert planned.actions == (ApplyRoute(route(V1)),)


def test_a_route_that_was_taken_out_of_the_spec_is_removed() -> None:
    planned = plan(replace(live(V1), spec=spec("1", route=False)), NOW)

    assert planned.actions == (RemoveRoute(),)


def without_the_live_revision(of: Observation) -> Observation:
    others = {id: view for id, view in of.revisions.items() if id != of.status.stable}
    return replace(of, revisions=others)


def test_a_rollout_does_not_start_without_a_way_back() -> None:
    planned = plan(without_the_live_revision(live(V2, live=V1)), NOW)

    assert planned.actions == ()
    assert (planned.status.stable, planned.status.candidate) == (id_of(V1), None)
    assert planned.status.conditions[0].reason == "StableRevisionMissing"
    assert "apply version 1 again" in planned.status.conditions[0].message


def test_what_is_said_about_a_lost_live_revision_stays_the_same() -> None:
    given = without_the_live_revision(live(V2, live=V1))
    first = plan(given, NOW)

    again = plan(replace(given, status=first.status), NOW)

    assert first.status.stable_version == "1"
    assert again.status == first.status


def test_a_candidate_loses_its_traffic_and_then_its_pods_when_the_live_revision_is_lost() -> None:
    given = without_the_live_revision(rolling(V2, StageName.CANARY, weight=25, seen=FEW))

    first = plan(given, NOW)
    candidate = replace(given.revisions[id_of(V2)], status=first.revisions[id_of(V2)])
    after = replace(given, status=first.status, route=route(V1, V2), revisions={id_of(V2): candidate})

    assert first.actions == (ApplyRoute(route(V1, V2)),)
    assert first.revisions[id_of(V2)].state is RevisionState.SUPERSEDED
    assert plan(after, NOW + timedelta(seconds=10)).actions == (
        ApplyRoute(route(V1)),
        RemoveWorkload(revision=id_of(V2)),
    )


def test_the_port_of_a_lost_live_revision_is_not_guessed_from_the_new_one() -> None:
    old, new = spec("1", port=8080), spec("2", port=9090)
    given = without_the_live_revision(live(new, live=old))

    assert plan(given, NOW).actions == ()


def test_a_lost_live_revision_is_made_again_when_the_spec_names_it() -> None:
    planned = plan(without_the_live_revision(live(V1)), NOW)

    assert planned.actions == (
        CreateRevision(revision=id_of(V1)),
        ApplyService(revision=id_of(V1)),
        ApplyWorkload(revision=id_of(V1), replicas=3),
    )


def test_pods_that_nobody_speaks_of_are_drained_and_removed() -> None:
    """Left by a process that died after it had made them, before it wrote that they are the candidate's."""
    given = live(V1)
    left = revision(V3)

    found = plan(replace(given, revisions={**given.revisions, id_of(V3): left}), NOW)
    marked = replace(left, status=found.revisions[id_of(V3)])
    later = plan(
        replace(given, status=found.status, route=route(V1, V3), revisions={**given.revisions, id_of(V3): marked}),
        NOW + timedelta(seconds=10),
    )

    assert found.actions == (ApplyRoute(route(V1, V3)),)
    assert found.revisions[id_of(V3)].state is RevisionState.SUPERSEDED
    assert found.requeue_after == pytest.approx(10)
    assert later.actions == (ApplyRoute(route(V1)), RemoveWorkload(revision=id_of(V3)))
    assert later.requeue_after is None


def test_revisions_whose_pods_are_gone_are_left_alone() -> None:
    given = live(V1)
    old = revision(V3, replicas=None, state=RevisionState.SUPERSEDED, traffic_ended_at=ago(3600))

    planned = plan(replace(given, revisions={**given.revisions, id_of(V3): old}), NOW)

    assert planned.actions == ()
    assert planned.revisions == {}


def test_the_live_version_has_no_time_at_which_its_traffic_ended() -> None:
    given = live(V1)
    promoted_before = revision(V1, state=RevisionState.SUPERSEDED, traffic_ended_at=ago(3600))

    planned = plan(replace(given, revisions={id_of(V1): promoted_before}), NOW)

    assert (planned.revisions[id_of(V1)].state, planned.revisions[id_of(V1)].traffic_ended_at) == ("Live", None)


def test_nothing_is_live_before_the_first_version_is() -> None:
    assert plan(observation(V1), NOW).status.stable is None
