"""From what is live to an earlier revision: capacity first, traffic as far as it carries, and no hole in between."""

from dataclasses import replace

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.plan import Plan, plan
from modelrollout.plan.actions import ApplyEntry, ApplyRoute, ApplyService, ApplyWorkload, RemoveWorkload
from modelrollout.plan.observation import Observation, RevisionView, ServiceView, Trouble, WorkloadView
from modelrollout.plan.turn_back import previous_of
from tests.builders import (
    NOW,
    ago,
    asked,
    id_of,
    live,
    pod,
    revision,
    rolling,
    route,
    selector,
    spec,
    superseded,
)

V1, V2, V3, V4 = spec("1"), spec("2"), spec("3"), spec("4")
BY_RATIO = {"route": False}


def with_former(given: Observation, *former: RevisionView) -> Observation:
    return replace(given, revisions={**given.revisions, **{view.id: view for view in former}})


LIVE = with_former(live(V3), superseded(V1, live_at=ago(9000)), superseded(V2, live_at=ago(5000)))


def ask(given: Observation, **said: object) -> Plan:
    return plan(replace(given, actions=(asked(Verb.ROLLBACK, **said),)), NOW)  # type: ignore[arg-type]


def going(*, ready: int, route_weight: int = 0, of: Observation = LIVE, pods: tuple[Trouble, ...] = ()) -> Observation:
    """On the way from 3 to 2, whose pods have been asked for."""
    begun = ask(of)
    back = replace(
        of.revisions[id_of(V2)],
        workload=WorkloadView(replicas=3, ready=ready),
        service=ServiceView(selector=selector(id_of(V2)), port=8080),
        pods=tuple(pod(trouble, of=V2) for trouble in pods),
    )
    revisions = {**of.revisions, back.id: back}
    for id, status in begun.revisions.items():
        revisions[id] = replace(revisions[id], status=status)
    return replace(of, status=begun.status, revisions=revisions, route=route(V3, V2, weight=route_weight))


class TestWhereTo:
    def test_the_one_that_was_live_last_is_the_previous_one(self) -> None:
        found = previous_of(LIVE)
        assert found is not None
        assert found.id == id_of(V2)

    @pytest.mark.parametrize("state", [RevisionState.ROLLED_BACK, RevisionState.REJECTED])
    def test_one_that_was_found_wanting_is_not(self, state: RevisionState) -> None:
        bad = superseded(V2, live_at=ago(5000))
        given = with_former(LIVE, replace(bad, status=bad.status.model_copy(update={"state": state})))

        found = previous_of(given)
        assert found is not None
        assert found.id == id_of(V1)

    def test_one_that_was_on_its_way_and_never_live_is_not(self) -> None:
        never = revision(V4, replicas=None, state=RevisionState.SUPERSEDED)

        found = previous_of(with_former(live(V3), never))
        assert found is None

    def test_any_kept_revision_that_was_live_can_be_named(self) -> None:
        assert ask(LIVE, back_to=V1).status.candidate == id_of(V1)

    def test_one_that_is_gone_or_was_never_live_is_refused_with_what_to_do(self) -> None:
        never = with_former(LIVE, revision(V4, replicas=None, state=RevisionState.ROLLED_BACK))

        gone, unproven, same = ask(LIVE, back_to=V4), ask(never, back_to=V4), ask(LIVE, back_to=V3)

        assert [one.answers[0].outcome for one in (gone, unproven, same)] == [Answer.REFUSED] * 3
        assert "kubectl get mrev shows which are kept" in gone.answers[0].message
        assert "name its version in the spec" in unproven.answers[0].message
        assert "is live already" in same.answers[0].message

    def test_status_says_where_a_rollback_would_go(self) -> None:
        assert plan(LIVE, NOW).status.previous == id_of(V2)
        assert plan(rolling(V2, StageName.SOAK, weight=100, since=600), NOW).status.previous == id_of(V1)


class TestTheBeginning:
    def test_pods_come_first_and_all_traffic_stays(self) -> None:
        planned = ask(LIVE, by="alice", reason="fraud is up")

        assert ApplyWorkload(revision=id_of(V2), replicas=3) in planned.actions
        assert ApplyService(revision=id_of(V2)) in planned.actions
        assert not any(isinstance(action, ApplyRoute | ApplyEntry) for action in planned.actions)
        assert (planned.status.stage, planned.status.stable, planned.status.weight) == ("Rollback", id_of(V3), 0)

    def test_it_is_on_record_with_who_asked_and_why(self) -> None:
        planned = ask(LIVE, by="alice", reason="fraud is up")

        record = planned.revisions[id_of(V3)].decisions[-1]
        assert (record.outcome, record.reason, record.by) == (Outcome.ROLL_BACK, "RollbackRequested", "alice")
        assert record.message == (
            f"version 3 is taken back to version 2 (revision {id_of(V2)}): asked by alice: fraud is up"
        )
        assert planned.answers[0].message == record.message

    def test_what_the_spec_names_is_rejected_and_shows_as_failed(self) -> None:
        planned = ask(LIVE)

        said = {c.type: c.status for c in planned.status.conditions}
        assert planned.status.rejected == id_of(V3)
        assert (said["Ready"], said["Stalled"], said["RolledBack"], said["Reconciling"]) == (
            "False",
            "True",
            "True",
            "False",
        )

    def test_a_candidate_on_its_way_is_taken_out_in_the_same_plan(self) -> None:
        given = with_former(rolling(V4, StageName.CANARY, live=V3, weight=25), superseded(V2, live_at=ago(5000)))

        planned = ask(given, back_to=V2)

        assert isinstance(planned.actions[0], ApplyRoute)
        weights = {backend.service: backend.weight for backend in planned.actions[0].route.backends}
        assert weights[f"fraud-{id_of(V4)}"] == 0
        assert weights[f"fraud-{id_of(V3)}"] == 100
        assert planned.revisions[id_of(V4)].state is RevisionState.ROLLED_BACK
        assert planned.status.rejected == id_of(V4)


class TestTheWay:
    @pytest.mark.parametrize(("ready", "weight"), [(1, 33), (2, 66)])
    def test_traffic_follows_the_pods(self, ready: int, weight: int) -> None:
        planned = plan(going(ready=ready), NOW)

        assert planned.actions == (ApplyRoute(route(V3, V2, weight=weight)),)
        assert (planned.status.stage, planned.status.stable, planned.status.weight) == ("Rollback", id_of(V3), weight)
        assert f"{ready} of 3 pods of revision {id_of(V2)} are ready" in planned.status.conditions[0].message

    def test_with_all_pods_it_is_live_again(self) -> None:
        planned = plan(going(ready=3, route_weight=66), NOW)

        assert planned.actions[0] == ApplyRoute(route(V2, V3))
        assert planned.actions[1] == ApplyEntry(selector=selector(id_of(V2)), port=8080)
        assert (planned.status.stage, planned.status.stable, planned.status.candidate) == ("Live", id_of(V2), None)
        assert planned.revisions[id_of(V3)].state is RevisionState.ROLLED_BACK
        assert planned.revisions[id_of(V2)].state is RevisionState.LIVE
        assert planned.revisions[id_of(V2)].live_at == NOW
        assert planned.status.previous == id_of(V1)

    def test_the_pods_of_what_was_live_stay_until_its_traffic_has_ended(self) -> None:
        planned = plan(going(ready=3, route_weight=66), NOW)

        assert not any(isinstance(action, RemoveWorkload) for action in planned.actions)
        assert planned.requeue_after == pytest.approx(10)

    def test_it_stays_back_and_says_why_while_the_spec_names_it(self) -> None:
        given = going(ready=3, route_weight=66)
        arrived = plan(given, NOW)
        revisions = dict(given.revisions)
        for id, status in arrived.revisions.items():
            revisions[id] = replace(revisions[id], status=status)

        planned = plan(replace(given, status=arrived.status, revisions=revisions, route=route(V2, V3)), NOW)

        assert (planned.status.stable, planned.status.candidate, planned.status.rejected) == (
            id_of(V2),
            None,
            id_of(V3),
        )
        assert "asked by alice" in planned.status.conditions[0].message

    def test_pods_that_cannot_start_leave_the_rest_where_it_is_and_are_named(self) -> None:
        planned = plan(going(ready=1, route_weight=33, pods=(Trouble.IMAGE_PULL,)), NOW)

        assert planned.actions == ()
        assert "ImagePullFailed" in planned.status.conditions[0].message

    @pytest.mark.parametrize("target", [V4, V2], ids=["a new version", "the one that it goes back to"])
    def test_an_edit_of_the_spec_meanwhile_waits_for_its_end(self, target: object) -> None:
        given = replace(going(ready=1, route_weight=33), spec=target, target=id_of(target))  # type: ignore[arg-type]

        assert plan(given, NOW).status.stage is StageName.ROLLBACK

    @pytest.mark.parametrize("verb", [Verb.PAUSE, Verb.PROMOTE, Verb.REJECT, Verb.RESUME, Verb.RETRY])
    def test_nothing_holds_it_up(self, verb: Verb) -> None:
        given = going(ready=2)

        planned = plan(replace(given, actions=(asked(verb, number=2),)), NOW)

        assert planned.answers[0].outcome is Answer.REFUSED
        assert (planned.status.stage, planned.status.weight) == ("Rollback", 66)

    def test_it_can_be_sent_further_back(self) -> None:
        given = going(ready=1, route_weight=33)

        planned = plan(replace(given, actions=(asked(Verb.ROLLBACK, number=2, back_to=V1),)), NOW)

        assert (planned.status.candidate, planned.status.stage) == (id_of(V1), "Rollback")
        assert ApplyWorkload(revision=id_of(V1), replicas=3) in planned.actions


def test_without_a_route_the_ready_pods_share_the_traffic_until_the_old_one_has_all() -> None:
    first, second = spec("1", route=False), spec("2", route=False)
    given = with_former(live(second), superseded(first, live_at=ago(5000)))

    begun = ask(given)
    back = replace(
        given.revisions[id_of(first)],
        workload=WorkloadView(replicas=3, ready=1),
        service=ServiceView(selector=selector(id_of(first)), port=8080),
    )
    partly = replace(given, status=begun.status, revisions={**given.revisions, back.id: back})
    all_ready = replace(back, workload=WorkloadView(replicas=3, ready=3))
    arrived = replace(partly, revisions={**given.revisions, back.id: all_ready})

    assert ApplyEntry(selector=selector(), port=8080) in plan(partly, NOW).actions
    assert ApplyEntry(selector=selector(id_of(first)), port=8080) in plan(arrived, NOW).actions
    assert plan(arrived, NOW).status.stable == id_of(first)
