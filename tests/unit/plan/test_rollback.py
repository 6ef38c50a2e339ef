"""The way back: traffic first, with nothing to wait for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyEntry, ApplyRoute, ApplyWorkload, RemoveWorkload
from modelrollout.plan.observation import Observation, Trouble, Unreadable
from tests.builders import (
    BAD,
    FEW,
    GOOD,
    NOW,
    evidence,
    id_of,
    live,
    pod,
    reading,
    revision,
    rolling,
    route,
    selector,
    spec,
)

V1, V2, V3 = spec("1"), spec("2"), spec("3")

STAGES = {
    "shadow": rolling(V2, StageName.SHADOW, seen=FEW),
    "canary": rolling(V2, StageName.CANARY, weight=25, seen=FEW),
    "soak": rolling(V2, StageName.SOAK, weight=100, since=60),
}
COMPARING = {name: STAGES[name] for name in ("shadow", "canary")}


def with_trouble(given: Observation, trouble: Trouble, *, ready: int = 2, shared: bool = False) -> Observation:
    """One of the candidate's pods cannot run; `shared` if one of the live version's cannot either."""
    candidate, stable = given.revisions[id_of(V2)], given.revisions[id_of(V1)]
    assert candidate.workload is not None
    workload = replace(candidate.workload, ready=ready)
    candidate = replace(candidate, pods=(pod(of=V2), pod(trouble, of=V2, number=1)), workload=workload)
    stable = replace(stable, pods=(pod(trouble, of=V1),)) if shared else stable
    return replace(given, revisions={stable.id: stable, candidate.id: candidate})


def with_harm(given: Observation) -> Observation:
    return replace(given, reading=reading(BAD), evidence=evidence(FEW, of=V2, at=NOW - timedelta(seconds=5)))


BACK = {
    **{f"harm in {name}": with_harm(given) for name, given in COMPARING.items()},
    **{f"crash loop in {name}": with_trouble(given, Trouble.CRASH_LOOP) for name, given in STAGES.items()},
    **{f"out of memory in {name}": with_trouble(given, Trouble.OUT_OF_MEMORY) for name, given in STAGES.items()},
}


@pytest.mark.parametrize("given", BACK.values(), ids=BACK.keys())
def test_the_first_action_of_a_rollback_gives_all_of_the_traffic_back(given: Observation) -> None:
    planned = plan(given, NOW)

    assert planned.actions[0] == ApplyRoute(route(V1, V2))


@pytest.mark.parametrize("given", BACK.values(), ids=BACK.keys())
def test_a_rollback_leaves_the_live_version_s_pods_and_services_alone_and_removes_nothing_yet(
    given: Observation,
) -> None:
    assert plan(given, NOW).actions[1:] == ()


@pytest.mark.parametrize("given", BACK.values(), ids=BACK.keys())
def test_a_rolled_back_version_is_remembered_with_its_record(given: Observation) -> None:
    planned = plan(given, NOW)

    status, back = planned.status, planned.revisions[id_of(V2)]
    assert (status.stage, status.stable, status.candidate, status.weight) == ("Live", id_of(V1), None, 0)
    assert (status.rejected, status.rollout_started_at) == (id_of(V2), None)
    assert (back.state, back.traffic_ended_at) == (RevisionState.ROLLED_BACK, NOW)
    assert back.decisions[-1].outcome is Outcome.ROLL_BACK
    assert (back.decisions[-1].stage, back.decisions[-1].weight) == (given.status.stage, given.status.weight)
    assert [notice.warning for notice in planned.notices] == [True]
    assert not planned.wants_readings


def test_a_rollback_by_evidence_says_the_numbers_of_both_arms_and_the_threshold() -> None:
    record = plan(with_harm(COMPARING["canary"]), NOW).revisions[id_of(V2)].decisions[-1]

    assert (record.reason, record.verdict, record.gate) == ("EvidenceOfHarm", "Fail", "errors")
    assert "version 2 was rolled back from Canary at weight 25 %" in record.message
    assert "the candidate had 80 of 420 (19 %) bad requests, the live version 0 of 460 (0 %)" in record.message
    assert "reached its threshold e^4.6" in record.message
    assert (record.gates[0].candidate.requests, record.gates[0].candidate.bad) == (420, 80)
    assert (record.gates[0].stable.requests, record.gates[0].stable.bad) == (460, 0)


def test_a_crash_loop_says_which_pod_it_was() -> None:
    record = plan(with_trouble(COMPARING["canary"], Trouble.CRASH_LOOP), NOW).revisions[id_of(V2)].decisions[-1]

    assert record.reason == "CrashLoop"
    assert f"pod fraud-{id_of(V2)}-1: container server: CrashLoop" in record.message


def test_a_rollback_needs_no_prometheus() -> None:
    known = replace(COMPARING["canary"], evidence=evidence(BAD, of=V2), reading=Unreadable("refused"))
    crashing = replace(with_trouble(COMPARING["canary"], Trouble.CRASH_LOOP), reading=Unreadable("refused"))

    assert plan(known, NOW).status.rejected == id_of(V2)
    assert plan(crashing, NOW).status.rejected == id_of(V2)


def test_harm_outweighs_any_number_of_good_pods_and_held_times() -> None:
    given = with_harm(rolling(V2, StageName.SHADOW, ready=0, since=1))

    assert plan(given, NOW).status.rejected == id_of(V2)


@pytest.mark.parametrize("given", STAGES.values(), ids=STAGES.keys())
@pytest.mark.parametrize("trouble", [Trouble.IMAGE_PULL, Trouble.UNSCHEDULABLE, Trouble.CONFIG])
def test_surroundings_that_keep_pods_from_starting_never_roll_back(given: Observation, trouble: Trouble) -> None:
    planned = plan(with_trouble(given, trouble), NOW)

    assert planned.status.rejected is None
    assert planned.status.candidate == id_of(V2)


@pytest.mark.parametrize("trouble", [Trouble.IMAGE_PULL, Trouble.UNSCHEDULABLE, Trouble.CONFIG])
def test_surroundings_stall_a_stage_that_waits_for_pods_and_it_goes_on_when_they_are_mended(trouble: Trouble) -> None:
    stalled = plan(with_trouble(COMPARING["shadow"], trouble), NOW)
    mended = plan(replace(COMPARING["shadow"], status=stalled.status, route=route(V1)), NOW)

    ready, stall = stalled.status.conditions[0], stalled.status.conditions[2]
    assert (stall.type, stall.status, stall.reason) == ("Stalled", "True", trouble)
    assert f"pod fraud-{id_of(V2)}-1" in ready.message
    assert [notice.reason for notice in stalled.notices] == [trouble]
    assert mended.status.conditions[2].status == "False"
    assert mended.actions == (ApplyRoute(route(V1, V2, mirror=True)),)


def test_a_stall_is_told_once() -> None:
    given = with_trouble(COMPARING["shadow"], Trouble.IMAGE_PULL)
    first = plan(given, NOW)

    again = plan(replace(given, status=first.status), NOW)

    assert first.notices
    assert again.notices == ()


@pytest.mark.parametrize("trouble", [Trouble.CRASH_LOOP, Trouble.OUT_OF_MEMORY])
@pytest.mark.parametrize("given", STAGES.values(), ids=STAGES.keys())
def test_a_crash_that_the_live_version_shares_does_not_roll_back(given: Observation, trouble: Trouble) -> None:
    planned = plan(with_trouble(given, trouble, shared=True), NOW)

    assert planned.status.rejected is None
    assert planned.status.candidate == id_of(V2)


def test_one_crashing_pod_among_others_that_cannot_be_pulled_rolls_back() -> None:
    given = COMPARING["canary"]
    pods = (pod(Trouble.IMAGE_PULL, of=V2, number=0), pod(Trouble.CRASH_LOOP, of=V2, number=1))
    candidate = replace(given.revisions[id_of(V2)], pods=pods)

    planned = plan(replace(given, revisions={**given.revisions, id_of(V2): candidate}), NOW)

    assert planned.status.rejected == id_of(V2)


def rolled_back(of: str = "2") -> Observation:
    """Version 2 was rolled back some time ago, and the spec names this version."""
    before = plan(with_harm(COMPARING["canary"]), NOW - timedelta(hours=1))
    old = replace(revision(V2, replicas=None), status=before.revisions[id_of(V2)])
    settled = live(spec(of), live=V1)
    return replace(settled, status=before.status, revisions={**settled.revisions, id_of(V2): old})


def test_it_stays_rolled_back_while_the_spec_names_it() -> None:
    given = rolled_back()

    planned = plan(given, NOW)

    assert planned.actions == ()
    assert planned.status == given.status
    assert planned.revisions == {}
    assert planned.notices == ()


@pytest.mark.parametrize("change", [{"replicas": 5}, {"max_duration": "4h"}, {"stages": ()}])
def test_editing_what_is_no_content_does_not_try_it_again(change: dict[str, object]) -> None:
    edited = spec("2", **change)  # type: ignore[arg-type]

    planned = plan(replace(rolled_back(), spec=edited), NOW)

    assert planned.status.rejected == id_of(V2)
    assert planned.status.candidate is None
    assert not any(isinstance(action, ApplyRoute) for action in planned.actions)


def test_the_live_version_can_be_scaled_while_the_spec_names_the_rolled_back_one() -> None:
    planned = plan(replace(rolled_back(), spec=spec("2", replicas=5)), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(V1), replicas=5),)


def test_another_version_is_tried_after_a_rollback() -> None:
    planned = plan(rolled_back(of="3"), NOW)

    assert (planned.status.candidate, planned.status.rejected) == (id_of(V3), None)


def test_naming_the_live_version_ends_the_rollback_and_the_other_can_be_tried_again() -> None:
    reverted = plan(rolled_back(of="1"), NOW)
    again = plan(replace(rolled_back(of="2"), status=reverted.status), NOW)

    assert (reverted.status.rejected, reverted.status.conditions[0].status) == (None, "True")
    assert again.status.candidate == id_of(V2)


def test_without_a_route_a_rollback_takes_the_candidate_out_of_the_service_first() -> None:
    old, new = spec("1", route=False), spec("2", route=False)
    given = rolling(new, StageName.CANARY, live=old, weight=25, replicas=1, seen=BAD)

    planned = plan(given, NOW)

    assert planned.actions == (ApplyEntry(selector=selector(id_of(old)), port=8080),)
    assert planned.status.weight == 0


def test_the_pods_of_a_rolled_back_version_go_after_they_were_drained() -> None:
    given = with_harm(COMPARING["canary"])
    back = plan(given, NOW)
    candidate = replace(given.revisions[id_of(V2)], status=back.revisions[id_of(V2)])
    after = replace(
        given,
        status=back.status,
        route=route(V1, V2),
        revisions={**given.revisions, id_of(V2): candidate},
        reading=None,
    )

    draining = plan(after, NOW + timedelta(seconds=4))
    drained = plan(after, NOW + timedelta(seconds=10))

    assert draining.actions == ()
    assert draining.requeue_after == pytest.approx(6)
    assert drained.actions == (ApplyRoute(route(V1)), RemoveWorkload(revision=id_of(V2)))
    assert drained.requeue_after is None


def test_the_record_has_the_share_that_users_saw_where_the_status_is_behind_the_route() -> None:
    given = with_harm(rolling(V2, StageName.CANARY, weight=0, seen=FEW))

    planned = plan(replace(given, route=route(V1, V2, weight=10)), NOW)

    assert planned.records[0].weight == 10
    assert "at weight 10 %" in planned.records[0].message


def test_good_evidence_rolls_nothing_back() -> None:
    for given in COMPARING.values():
        assert plan(replace(given, evidence=evidence(GOOD, of=V2)), NOW).status.rejected is None
