"""The first moment of a rollout."""

from dataclasses import replace

import pytest

from modelrollout.api.gates import Gate, Signal, Tolerance
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import (
    DecisionRecord,
    ModelRevisionStatus,
    Outcome,
    RevisionState,
    StateChange,
    StoredGate,
)
from modelrollout.api.rollout import Stage
from modelrollout.evidence import GateEvidence, log_harm
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyRoute, ApplyService, ApplyWorkload, CreateRevision
from modelrollout.plan.gates import restored, stored
from modelrollout.plan.observation import Observation
from tests.builders import (
    BAD,
    CANARY,
    FEW,
    GOOD,
    NOW,
    PACED,
    SHADOW,
    SOAK,
    Arms,
    ago,
    evidence,
    id_of,
    live,
    revision,
    rolling,
    route,
    spec,
)

V1, V2, V3 = spec("1"), spec("2"), spec("3")


@pytest.mark.parametrize(
    ("stages", "first"),
    [
        ((SHADOW, CANARY, SOAK), StageName.SHADOW),
        ((), StageName.SHADOW),
        ((CANARY, SOAK), StageName.CANARY),
        ((PACED,), StageName.CANARY),
        ((SOAK,), StageName.SOAK),
    ],
)
def test_a_rollout_starts_in_the_first_stage_of_the_policy(stages: tuple[Stage, ...], first: StageName) -> None:
    planned = plan(live(spec("2", stages=stages), live=V1), NOW)

    assert (planned.status.stage, planned.status.candidate, planned.status.weight) == (first, id_of(V2), 0)


def test_a_rollout_without_a_route_starts_with_the_canary_by_default() -> None:
    of = spec("2", route=False, stages=())

    assert plan(live(of, live=spec("1", route=False)), NOW).status.stage is StageName.CANARY


def test_the_live_version_keeps_all_of_the_traffic_and_its_pods_when_a_rollout_starts() -> None:
    planned = plan(live(V2, live=V1), NOW)

    assert planned.actions[0] == CreateRevision(revision=id_of(V2))
    assert not any(isinstance(action, ApplyRoute) for action in planned.actions)
    assert not any(isinstance(action, ApplyWorkload) and action.revision == id_of(V1) for action in planned.actions)
    assert planned.status.stable == id_of(V1)


def test_the_pods_of_the_first_stage_are_asked_for_at_once() -> None:
    """Not first none and then some: each write of a Deployment is a request, and pods take long enough to start."""
    shadowed = plan(live(V2, live=V1), NOW)
    canary = plan(live(spec("2", stages=(CANARY,), replicas=10), live=spec("1", replicas=10)), NOW)

    assert shadowed.actions[1:] == (ApplyService(revision=id_of(V2)), ApplyWorkload(revision=id_of(V2), replicas=3))
    assert canary.actions[-1] == ApplyWorkload(revision=id_of(V2), replicas=2)


def test_the_start_is_on_the_record_of_the_candidate() -> None:
    planned = plan(live(V2, live=V1), NOW)

    record = planned.revisions[id_of(V2)].decisions[-1]
    assert (record.outcome, record.reason, record.stage, record.weight) == (
        Outcome.ADVANCE,
        "RolloutStarted",
        "Shadow",
        0,
    )
    assert "version 2" in record.message
    assert planned.status.rollout_started_at == planned.status.stage_started_at == NOW


def test_a_newer_version_takes_the_traffic_of_the_candidate_away_in_the_same_plan_and_first() -> None:
    given = rolling(V2, StageName.CANARY, weight=25, seen=FEW)
    superseding = replace(given, spec=V3, target=id_of(V3))

    planned = plan(superseding, NOW)

    assert planned.actions[0] == ApplyRoute(route(V1, V2))
    assert planned.status.candidate == id_of(V3)
    assert (planned.status.stage, planned.status.weight) == ("Shadow", 0)
    assert planned.status.rollout_started_at == NOW
    assert planned.revisions[id_of(V2)].state is RevisionState.SUPERSEDED
    assert planned.revisions[id_of(V2)].traffic_ended_at == NOW


def test_a_candidate_is_named_in_the_route_before_it_has_pods_and_a_share() -> None:
    """A gateway that does not know a backend yet answers its first requests with 503."""
    waiting = rolling(V2, StageName.CANARY, ready=0)

    planned = plan(replace(waiting, route=route(V1)), NOW)

    assert planned.actions[0] == ApplyRoute(route(V1, V2, weight=0))


def test_a_candidate_whose_service_is_not_there_yet_is_not_named() -> None:
    waiting = rolling(V2, StageName.CANARY, ready=0)
    unborn = replace(waiting.revisions[id_of(V2)], service=None)

    planned = plan(replace(waiting, route=route(V1), revisions={**waiting.revisions, id_of(V2): unborn}), NOW)

    assert not [action for action in planned.actions if isinstance(action, ApplyRoute)]


def test_a_newer_version_takes_the_mirror_away_from_the_candidate() -> None:
    given = rolling(V2, StageName.SHADOW, seen=FEW)

    planned = plan(replace(given, spec=V3, target=id_of(V3)), NOW)

    assert given.route is not None
    assert given.route.mirror is not None
    assert planned.actions[0] == ApplyRoute(route(V1, V2))


def test_a_candidate_that_had_no_pods_yet_is_superseded_too() -> None:
    given = rolling(V2, StageName.SHADOW)
    given = replace(given, revisions={**given.revisions, id_of(V2): revision(V2, replicas=None)})

    newer, reverted = replace(given, spec=V3, target=id_of(V3)), replace(given, spec=V1, target=id_of(V1))

    assert plan(newer, NOW).revisions[id_of(V2)].state is RevisionState.SUPERSEDED
    assert plan(reverted, NOW).revisions[id_of(V2)].state is RevisionState.SUPERSEDED


def test_evidence_about_the_candidate_before_is_not_carried_over() -> None:
    given = rolling(V2, StageName.CANARY, weight=25, seen=FEW)

    planned = plan(replace(given, spec=V3, target=id_of(V3)), NOW)

    assert planned.evidence is None
    assert planned.revisions[id_of(V3)].evidence is None


def tried_before(seen: Arms, *, of: ModelDeploymentSpec = V2) -> Observation:
    """Version 1 is live, and version 2 has been tried under the policy of `of`."""
    old = revision(V2, replicas=None)
    old = replace(old, status=old.status.model_copy(update={"evidence": stored(evidence(seen, of=of, at=ago(900)))}))
    given = live(V2, live=V1)
    return replace(given, revisions={**given.revisions, id_of(V2): old})


def test_a_version_that_is_tried_a_second_time_keeps_its_evidence_of_harm_and_earns_safety_anew() -> None:
    before = evidence(GOOD, of=V2).gates["errors"]

    planned = plan(tried_before(GOOD), NOW)

    written = planned.revisions[id_of(V2)].evidence
    assert written is not None
    assert written.evaluated_at == NOW
    again = restored(written, revision=id_of(V2)).gates["errors"]
    assert isinstance(before, GateEvidence)
    assert isinstance(again, GateEvidence)
    assert log_harm(again) == pytest.approx(log_harm(before), abs=1e-5)
    assert set(again.safety_logs) == {0}
    assert again.candidate.total == 0
    assert again.history == before.stable
    assert planned.actions == (ApplyService(revision=id_of(V2)), ApplyWorkload(revision=id_of(V2), replicas=3))


def test_a_version_that_is_tried_a_second_time_under_another_policy_starts_with_nothing() -> None:
    stricter = Gate(name="errors", signal=Signal.ERRORS, tolerate=Tolerance(ratio=1.0))

    planned = plan(tried_before(BAD, of=spec("2", gates=(stricter,))), NOW)

    assert planned.revisions[id_of(V2)].evidence is None


def test_stored_evidence_that_nobody_can_read_does_not_stop_a_second_try() -> None:
    given = tried_before(BAD)
    view = given.revisions[id_of(V2)]
    assert view.status.evidence is not None
    broken = view.status.evidence.model_copy(update={"gates": (StoredGate(name="errors", state={"kind": "Other"}),)})
    view = replace(view, status=view.status.model_copy(update={"evidence": broken}))

    planned = plan(replace(given, revisions={**given.revisions, view.id: view}), NOW)

    assert planned.revisions[id_of(V2)].evidence is None


def test_a_version_that_is_tried_a_second_time_has_both_starts_on_its_record() -> None:
    first = DecisionRecord(
        at=ago(900), outcome=Outcome.ADVANCE, reason="RolloutStarted", message="…", stage="Shadow", weight=0
    )
    superseded = ModelRevisionStatus(
        state=RevisionState.SUPERSEDED,
        history=(
            StateChange(state=RevisionState.SHADOW, at=ago(900)),
            StateChange(state=RevisionState.SUPERSEDED, at=ago(600)),
        ),
        traffic_ended_at=ago(600),
        decisions=(first,),
    )
    given = live(V2, live=V1)
    given = replace(given, status=plan(live(V1), ago(600)).status)
    old = replace(revision(V2, replicas=None), status=superseded)

    planned = plan(replace(given, revisions={**given.revisions, id_of(V2): old}), NOW)

    assert [record.at for record in planned.revisions[id_of(V2)].decisions] == [ago(900), NOW]
    assert planned.revisions[id_of(V2)].traffic_ended_at is None


def test_a_start_that_died_before_the_deployment_s_status_was_written_is_on_record_once() -> None:
    given = live(V2, live=V1)
    first = plan(given, NOW).revisions[id_of(V2)]
    made = replace(revision(V2, ready=0), status=first)

    again = plan(replace(given, revisions={**given.revisions, id_of(V2): made}), NOW)

    assert id_of(V2) not in again.revisions
    assert again.status.candidate == id_of(V2)


def test_a_candidate_whose_revision_somebody_deleted_starts_at_the_beginning() -> None:
    given = rolling(V2, StageName.CANARY, weight=25, seen=FEW)
    gone = replace(given, revisions={id_of(V1): given.revisions[id_of(V1)]})

    planned = plan(gone, NOW)

    assert planned.actions[0] == ApplyRoute(route(V1))
    assert CreateRevision(revision=id_of(V2)) in planned.actions
    assert (planned.status.stage, planned.status.weight) == ("Shadow", 0)
