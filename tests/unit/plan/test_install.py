"""The first version: it waits for its pods and is compared with nothing."""

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentStatus, StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.plan import plan
from modelrollout.plan.actions import ApplyEntry, ApplyRoute, ApplyService, ApplyWorkload, CreateRevision
from modelrollout.plan.observation import Trouble
from tests.builders import NOW, id_of, installing, live, observation, pod, revision, route, selector, spec

V1, V2 = spec("1"), spec("2")


def test_a_new_deployment_asks_for_everything_that_its_first_version_needs_and_for_no_traffic() -> None:
    planned = plan(observation(V1), NOW)

    assert planned.actions == (
        CreateRevision(revision=id_of(V1)),
        ApplyService(revision=id_of(V1)),
        ApplyWorkload(revision=id_of(V1), replicas=3),
    )
    assert (planned.status.stage, planned.status.stable, planned.status.candidate) == ("Install", None, id_of(V1))
    assert planned.revisions[id_of(V1)].state is RevisionState.PENDING


@pytest.mark.parametrize("ready", [0, 1, 2])
def test_it_is_not_live_before_all_of_its_pods_are_ready(ready: int) -> None:
    planned = plan(installing(V1, ready=ready), NOW)

    assert planned.actions == ()
    assert planned.status.stage is StageName.INSTALL
    assert planned.status.conditions[0].message == f"{ready} of 3 pods are ready"


def test_it_goes_live_with_all_of_the_traffic_when_its_pods_are_ready() -> None:
    planned = plan(installing(V1, ready=3), NOW)

    assert planned.actions == (ApplyRoute(route(V1)), ApplyEntry(selector=selector(id_of(V1)), port=8080))
    assert (planned.status.stage, planned.status.stable, planned.status.candidate) == ("Live", id_of(V1), None)
    assert planned.status.stable_version == "1"
    assert planned.revisions[id_of(V1)].state is RevisionState.LIVE
    assert planned.revisions[id_of(V1)].decisions[-1].outcome is Outcome.INSTALL
    assert [notice.reason for notice in planned.notices] == ["Installed"]


def test_without_a_route_only_the_service_of_the_deployment_carries_the_traffic() -> None:
    of = spec("1", route=False)

    planned = plan(installing(of, ready=3), NOW)

    assert planned.actions == (ApplyEntry(selector=selector(id_of(of)), port=8080),)


def test_ready_pods_of_an_earlier_number_of_replicas_are_not_enough() -> None:
    given = installing(spec("1", replicas=5), ready=3)
    asked_for_three = revision(spec("1", replicas=5), replicas=3)

    planned = plan(observation(given.spec, asked_for_three, status=given.status), NOW)

    assert planned.actions == (ApplyWorkload(revision=id_of(V1), replicas=5),)
    assert planned.status.stage is StageName.INSTALL


def test_another_version_during_the_installation_takes_its_place() -> None:
    status = ModelDeploymentStatus(stage=StageName.INSTALL, candidate=id_of(V1))

    planned = plan(observation(V2, revision(V1, ready=1), status=status), NOW)

    assert planned.actions == (
        CreateRevision(revision=id_of(V2)),
        ApplyService(revision=id_of(V2)),
        ApplyWorkload(revision=id_of(V2), replicas=3),
    )
    assert (planned.status.candidate, planned.status.stable) == (id_of(V2), None)
    assert planned.revisions[id_of(V1)].state is RevisionState.SUPERSEDED
    assert planned.revisions[id_of(V1)].traffic_ended_at == NOW


@pytest.mark.parametrize("trouble", list(Trouble))
def test_trouble_of_the_pods_stalls_because_there_is_nothing_to_go_back_to(trouble: Trouble) -> None:
    planned = plan(installing(V1, ready=2, pods=[pod(trouble, of=V1)]), NOW)

    stalled = next(condition for condition in planned.status.conditions if condition.type == "Stalled")
    assert (stalled.status, stalled.reason) == ("True", trouble)
    assert (planned.status.stage, planned.status.rejected) == ("Install", None)
    assert planned.actions == ()
    assert [(notice.reason, notice.warning) for notice in planned.notices] == [(trouble, True)]


def test_an_installation_that_stalled_goes_live_when_its_pods_are_mended() -> None:
    stalled = plan(installing(V1, ready=2, pods=[pod(Trouble.CONFIG, of=V1)]), NOW).status

    planned = plan(observation(V1, revision(V1), status=stalled), NOW)

    assert planned.status.stage is StageName.LIVE


def test_nothing_is_left_to_do_once_it_is_live() -> None:
    first = plan(live(V1), NOW)
    again = plan(
        observation(V1, *live(V1).revisions.values(), status=first.status, entry=live(V1).entry, route=live(V1).route),
        NOW,
    )

    assert again.actions == ()
    assert again.status == first.status
    assert again.notices == ()
    assert again.requeue_after is None
