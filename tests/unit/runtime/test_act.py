"""Each action as the objects that it leaves in the API server, twice as well as once."""

from dataclasses import replace

import pytest

from modelrollout.adapters.kubernetes import (
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_REVISIONS,
    NETWORK_POLICIES,
    SERVICES,
    Conflict,
    Forbidden,
)
from modelrollout.api.group import LABEL_NAME, LABEL_REVISION
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.revision import child_name
from modelrollout.children import Owner
from modelrollout.plan.actions import (
    Action,
    ApplyEntry,
    ApplyObserver,
    ApplyRoute,
    ApplyService,
    ApplyWorkload,
    CreateRevision,
    RemoveObserver,
    RemoveRoute,
    RemoveWorkload,
)
from modelrollout.runtime import projections
from modelrollout.runtime.act import Actor
from tests.builders import NAME, NAMESPACE, id_of, rolling, route, selector, spec
from tests.faults.direct import Moment, Request
from tests.unit.runtime.parts import KEY, Parts

V1, V2 = spec("1"), spec("2", port=9090)
SEEN = rolling(V2, StageName.CANARY, weight=5)
OWNER = Owner(namespace=NAMESPACE, name=NAME, uid="7")
CHILD = child_name(NAME, id_of(V2))


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def act(parts: Parts, action: Action) -> bool:
    return await Actor(api=parts.line, cache=parts.cache).act(action, owner=OWNER, observation=SEEN)


ACTIONS: list[Action] = [
    CreateRevision(revision=id_of(V2)),
    ApplyService(revision=id_of(V2)),
    ApplyWorkload(revision=id_of(V2), replicas=2),
    ApplyRoute(route(V1, V2, weight=5)),
    ApplyEntry(selector=selector(id_of(V1)), port=8080),
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: type(action).__name__)
async def test_doing_it_twice_is_doing_it_once_and_only_the_first_time_is_news(parts: Parts, action: Action) -> None:
    assert await act(parts, action) is True
    version = parts.store.version
    assert await act(parts, action) is False
    assert parts.store.version == version


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: type(action).__name__)
async def test_what_was_made_is_in_the_cache_before_its_watch_event(parts: Parts, action: Action) -> None:
    await act(parts, action)
    family = parts.cache.family(KEY)
    kept = [*family.revisions, *family.services, *family.workloads, *family.routes]
    assert len(kept) == 1


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: type(action).__name__)
async def test_whatever_is_made_belongs_to_the_deployment(parts: Parts, action: Action) -> None:
    await act(parts, action)
    (change,) = parts.store.changes
    metadata = change.body["metadata"]
    assert metadata["labels"][LABEL_NAME] == NAME
    (reference,) = metadata["ownerReferences"]
    assert (reference["uid"], reference["controller"]) == ("7", True)


async def test_a_revision_is_the_content_of_the_spec(parts: Parts) -> None:
    await act(parts, CreateRevision(revision=id_of(V2)))
    body = parts.store.get(MODEL_REVISIONS, NAMESPACE, CHILD)
    assert body["spec"]["digest"].startswith(id_of(V2))
    assert body["spec"]["model"]["version"] == "2"


async def test_a_workload_is_made_from_its_own_revisions_snapshot(parts: Parts) -> None:
    await act(parts, ApplyWorkload(revision=id_of(spec("1", port=9090)), replicas=3))
    (body,) = parts.store.look(DEPLOYMENTS)
    template = body["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "fraud:1"
    assert template["metadata"]["labels"][LABEL_REVISION] == id_of(spec("1", port=9090))


async def test_a_workload_of_a_revision_that_is_not_seen_yet_is_made_from_the_spec(parts: Parts) -> None:
    unseen = replace(SEEN, revisions={})
    await Actor(api=parts.line, cache=parts.cache).act(
        ApplyWorkload(revision=id_of(V2), replicas=1), owner=OWNER, observation=unseen
    )
    body = parts.store.get(DEPLOYMENTS, NAMESPACE, CHILD)
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "fraud:2"


async def test_the_selector_of_the_entry_is_replaced_as_a_whole(parts: Parts) -> None:
    await act(parts, ApplyEntry(selector=selector(id_of(V1)), port=8080))
    await act(parts, ApplyEntry(selector=selector(), port=8080))
    assert parts.store.get(SERVICES, NAMESPACE, NAME)["spec"]["selector"] == selector()


async def test_weights_and_mirror_are_one_write(parts: Parts) -> None:
    wish = route(V1, V2, weight=5, mirror=True)
    await act(parts, ApplyRoute(wish))
    assert parts.writes == [f"apply httproutes/{NAME}"]
    assert projections.route(parts.store.get(HTTP_ROUTES, NAMESPACE, NAME)) == wish


async def test_removing_takes_deployment_and_service_and_leaves_the_revision(parts: Parts) -> None:
    for action in ACTIONS[:3]:
        await act(parts, action)
    assert await act(parts, RemoveWorkload(revision=id_of(V2))) is False
    assert (parts.store.look(DEPLOYMENTS), parts.store.look(SERVICES)) == ([], [])
    assert parts.store.find(MODEL_REVISIONS, NAMESPACE, CHILD) is not None


@pytest.mark.parametrize("action", [RemoveWorkload(revision=id_of(V2)), RemoveRoute()])
async def test_what_is_not_there_counts_as_removed(parts: Parts, action: Action) -> None:
    assert await act(parts, action) is False


OBSERVE = ApplyObserver(settings="{}", digest="d1", image="observer:7", revisions=(id_of(V2),), ports=(9090,))


async def test_the_observer_is_made_whole_and_its_belongings_belong_to_it(parts: Parts) -> None:
    assert await act(parts, OBSERVE) is True
    assert parts.writes == [
        f"apply {kind}/{NAME}-observer" for kind in ("deployments", "networkpolicies", "configmaps", "services")
    ]
    (workload,) = parts.store.look(DEPLOYMENTS)
    (policy,) = parts.store.look(NETWORK_POLICIES)
    assert policy["metadata"]["ownerReferences"][0]["uid"] == workload["metadata"]["uid"]
    family = parts.cache.family(KEY)
    assert family.services[f"{NAME}-observer"].settings == "d1"
    assert f"{NAME}-observer" in family.copies
    assert await act(parts, OBSERVE) is False, "nothing of it is news the second time"


async def test_the_observer_goes_with_its_service_first(parts: Parts) -> None:
    await act(parts, OBSERVE)
    assert await act(parts, RemoveObserver()) is False
    assert parts.writes[-2:] == [f"delete services/{NAME}-observer", f"delete deployments/{NAME}-observer"]


@pytest.mark.parametrize("action", [OBSERVE, RemoveObserver()], ids=lambda action: type(action).__name__)
async def test_no_plan_fails_for_the_observer_s_sake(parts: Parts, action: Action) -> None:
    def refuse(_: Request, __: Moment) -> None:
        raise Forbidden(403, "Forbidden", "not yours")

    parts.line.meddle = refuse
    assert await act(parts, action) is False


async def test_a_removed_route_stays_in_the_cache_until_the_watch_says_so(parts: Parts) -> None:
    await act(parts, ApplyRoute(route(V1)))
    await act(parts, RemoveRoute())
    assert parts.store.look(HTTP_ROUTES) == []
    assert parts.cache.family(KEY).routes


async def test_a_refusal_goes_to_the_caller_and_leaves_the_cache_as_it_was(parts: Parts) -> None:
    def refuse(_: Request, moment: Moment) -> None:
        if moment is Moment.BEFORE:
            raise Conflict(409, "Conflict", "")

    parts.line.meddle = refuse
    with pytest.raises(Conflict):
        await act(parts, ApplyRoute(route(V1)))
    assert not parts.cache.family(KEY)
