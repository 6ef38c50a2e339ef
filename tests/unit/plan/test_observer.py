"""The observer: when there is one, what it is told, and where copies of requests go."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.observe import Monitoring, Sample
from modelrollout.api.observer import ObserverSettings, service_name
from modelrollout.api.revision import child_name
from modelrollout.plan import Plan, plan
from modelrollout.plan.actions import ApplyObserver, ApplyRoute, ApplyWorkload, RemoveObserver
from modelrollout.plan.observation import Backend, Observation, ObserverView, ServiceView, WorkloadView
from tests.builders import (
    BAD,
    CANARY,
    FEW,
    NAME,
    NAMESPACE,
    NOW,
    OBSERVE,
    REVIEW,
    SHADOW,
    SOAK,
    id_of,
    live,
    reading,
    rolling,
    route,
    spec,
)

V1, V2 = spec("1"), spec("2")
SERVICE = service_name(NAME)
MIRROR = Backend(service=SERVICE, port=8080)
TO_CANDIDATE = Backend(service=child_name(NAME, id_of(V2)), port=8080)


def observing(of: ModelDeploymentSpec = V2, *, monitored: bool = False, **wanted: object) -> ModelDeploymentSpec:
    monitoring = Monitoring() if monitored else None
    return of.model_copy(update={"observe": OBSERVE.model_copy(update={"monitoring": monitoring, **wanted})})


def wish(planned: Plan) -> ApplyObserver:
    (found,) = (action for action in planned.actions if isinstance(action, ApplyObserver))
    return found


def wishes(planned: Plan) -> list[type]:
    return [type(action) for action in planned.actions if isinstance(action, ApplyObserver | RemoveObserver)]


def told(planned: Plan) -> ObserverSettings:
    return ObserverSettings.model_validate(json.loads(wish(planned).settings))


def standing(planned: Plan, *, ready: int = 1) -> ObserverView:
    """The observer as that plan wants it."""
    service = ServiceView(selector={}, port=8080, settings=wish(planned).digest)
    return ObserverView(workload=WorkloadView(replicas=1, ready=ready), service=service, settings=True)


def stood(given: Observation, *, ready: int = 1) -> Observation:
    return replace(given, observer=standing(plan(given, NOW), ready=ready))


def mirror(planned: Plan, given: Observation) -> Backend | None:
    """As the route is after the plan."""
    applied = [action.route for action in planned.actions if isinstance(action, ApplyRoute)]
    found = applied[-1] if applied else given.route
    assert found is not None
    return found.mirror


def shadowing(of: ModelDeploymentSpec | None = None) -> Observation:
    return rolling(of or observing(), StageName.SHADOW, seen=FEW)


@pytest.mark.parametrize(("stage", "weight"), [(StageName.SHADOW, 0), (StageName.CANARY, 25)])
def test_it_stands_beside_shadow_and_canary(stage: StageName, weight: int) -> None:
    given = replace(rolling(observing(), stage, weight=weight, seen=FEW), observer_image="observer:7")
    planned = plan(given, NOW)
    settings = told(planned)
    assert planned.actions[-1] == wish(planned), "all else comes first"
    assert (settings.namespace, settings.deployment) == (NAMESPACE, NAME)
    assert settings.live.revision == id_of(V1)
    assert settings.candidate is not None
    assert settings.candidate.revision == id_of(V2)
    assert settings.candidate.url == f"http://{child_name(NAME, id_of(V2))}.{NAMESPACE}.svc:8080"
    assert settings.observe.protocol == "OpenInference", "that of the server where the user names none"
    assert (wish(planned).revisions, wish(planned).ports) == ((id_of(V1), id_of(V2)), (8080,))
    assert wish(planned).image == "observer:7"


@pytest.mark.parametrize(("stage", "weight"), [(StageName.SHADOW, 0), (StageName.CANARY, 25), (StageName.SOAK, 100)])
def test_without_observe_nothing_is_different(stage: StageName, weight: int) -> None:
    planned = plan(rolling(V2, stage, weight=weight, seen=FEW), NOW)
    assert wishes(planned) == []
    assert mirror(planned, rolling(V2, stage, weight=weight)) == (TO_CANDIDATE if stage is StageName.SHADOW else None)


def test_what_stands_as_it_should_is_left_alone() -> None:
    assert wishes(plan(stood(shadowing()), NOW)) == []


def test_what_somebody_removed_is_made_again() -> None:
    given = stood(shadowing())
    whole = given.observer
    assert whole is not None
    for rest in (replace(whole, workload=None), replace(whole, service=None), replace(whole, settings=False)):
        assert wishes(plan(replace(given, observer=rest), NOW)) == [ApplyObserver]


def test_another_image_or_other_settings_make_it_anew() -> None:
    given = stood(shadowing())
    assert wishes(plan(replace(given, observer_image="observer:8"), NOW)) == [ApplyObserver]
    fewer = observing(sample=Sample(per_second=1))
    assert wishes(plan(replace(given, spec=fewer), NOW)) == [ApplyObserver]


def test_copies_go_to_it_while_it_is_ready() -> None:
    given = stood(shadowing())
    assert mirror(plan(given, NOW), given) == MIRROR


def test_without_an_observer_copies_go_to_the_candidate_and_other_gates_go_on() -> None:
    given = stood(shadowing(), ready=0)
    planned = plan(given, NOW)
    assert mirror(planned, given) == TO_CANDIDATE
    assert planned.status.conditions[0].reason == "Shadowing"
    gone = replace(given, observer=None, route=replace(route(V1, V2), mirror=MIRROR))
    assert mirror(plan(gone, NOW), gone) == TO_CANDIDATE


def test_before_the_candidate_s_pods_are_ready_nothing_is_copied() -> None:
    given = stood(rolling(observing(), StageName.SHADOW, seen=FEW, ready=1))
    assert mirror(plan(given, NOW), given) is None


def test_in_a_canary_it_samples_less_and_copies_go_to_it_beside_the_weights() -> None:
    given = rolling(observing(), StageName.CANARY, weight=25, seen=FEW)
    assert told(plan(given, NOW)).observe.sample.per_second == 5
    assert mirror(plan(given, NOW), given) is None, "there is none yet, and the candidate has requests of its own"
    observed = stood(given)
    planned = plan(observed, NOW)
    assert mirror(planned, observed) == MIRROR
    (applied,) = (action.route for action in planned.actions if isinstance(action, ApplyRoute))
    assert [backend.weight for backend in applied.backends] == [75, 25]


def test_a_canary_without_a_share_copies_nothing() -> None:
    given = stood(rolling(observing(), StageName.CANARY, weight=0, ready=0, seen=FEW))
    assert mirror(plan(given, NOW), given) is None


def test_it_goes_with_the_comparison() -> None:
    given = stood(rolling(observing(), StageName.CANARY, weight=25, seen=FEW))
    soaking = replace(rolling(observing(), StageName.SOAK, weight=100), observer=given.observer)
    planned = plan(soaking, NOW)
    assert wishes(planned) == [RemoveObserver]
    assert mirror(planned, soaking) is None


def test_a_rollback_s_first_action_is_the_route_without_weight_or_mirror_and_its_last_is_the_observer() -> None:
    given = stood(rolling(observing(), StageName.CANARY, weight=25, seen=FEW))
    assert given.route is not None
    given = replace(given, route=replace(given.route, mirror=MIRROR), reading=reading(BAD, at=NOW))
    given = replace(given, evidence=rolling(given.spec, StageName.CANARY, weight=25, seen=BAD).evidence)
    planned = plan(given, NOW)
    first, last = planned.actions[0], planned.actions[-1]
    assert isinstance(first, ApplyRoute)
    assert (first.route.mirror, [backend.weight for backend in first.route.backends]) == (None, [100, 0])
    assert isinstance(last, RemoveObserver)


def test_while_a_person_reviews_it_stays_for_its_examples_and_gets_no_copies() -> None:
    given = stood(rolling(observing(), StageName.SHADOW, seen=FEW))
    of = observing(spec("2", stages=(SHADOW, REVIEW, CANARY)))
    reviewing = replace(rolling(of, StageName.REVIEW), observer=given.observer)
    planned = plan(reviewing, NOW)
    assert RemoveObserver not in wishes(planned)
    assert mirror(planned, reviewing) is None
    assert wishes(plan(replace(reviewing, observer=None), NOW)) == [], "none is made for it"


def test_after_the_promotion_it_stays_where_inputs_are_monitored() -> None:
    of = observing(V1, monitored=True)
    settings = told(plan(live(of), NOW))
    assert (settings.live.revision, settings.candidate) == (id_of(V1), None)
    observed = stood(live(of))
    assert mirror(plan(observed, NOW), observed) == MIRROR
    assert wishes(plan(live(observing(V1)), NOW)) == []


def test_what_is_monitored_in_a_soak_is_the_version_that_serves() -> None:
    settings = told(plan(rolling(observing(monitored=True), StageName.SOAK, weight=100), NOW))
    assert (settings.live.revision, settings.candidate) == (id_of(V2), None)


def test_what_could_not_be_done_is_tried_again_by_itself() -> None:
    planned = plan(live(observing(V1, monitored=True)), NOW)
    assert planned.requeue_after == 30
    assert plan(stood(live(observing(V1, monitored=True))), NOW).requeue_after is None


def test_it_needs_no_capacity_and_holds_no_step() -> None:
    of = observing(spec("2", stages=(CANARY, SOAK)))
    with_it, without = (
        plan(rolling(one, StageName.CANARY, weight=5, seen=FEW, since=600), NOW + timedelta(seconds=1))
        for one in (of, of.model_copy(update={"observe": None}))
    )
    assert [a for a in with_it.actions if isinstance(a, ApplyWorkload)] == [
        a for a in without.actions if isinstance(a, ApplyWorkload)
    ]
    assert with_it.status == without.status
