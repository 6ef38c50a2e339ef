"""Events and own writes, in whatever order they come, and what the cache makes of them."""

from typing import Any

import pytest

from modelrollout.adapters.kubernetes import (
    DEPLOYMENTS,
    HTTP_ROUTES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    PODS,
    SERVICES,
    Resource,
)
from modelrollout.api.group import LABEL_NAME, LABEL_REVISION
from modelrollout.children import (
    Owner,
    entry_manifest,
    revision_manifest,
    route_manifest,
    workload_manifest,
)
from modelrollout.runtime.cache import Cache
from tests.builders import NAME, NAMESPACE, id_of, revision_spec, route, selector, spec
from tests.faults.world import manifest

KEY = (NAMESPACE, NAME)
V1, V2 = spec("1"), spec("2")
OWNER = Owner(namespace=NAMESPACE, name=NAME, uid="d")


def at(version: int, body: dict[str, Any], *, uid: str = "u", **metadata: Any) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "uid": uid, "resourceVersion": str(version), **metadata}}


def workload(replicas: int = 3, *, ready: int = 0) -> dict[str, Any]:
    return {**workload_manifest(OWNER, revision_spec(V1), replicas=replicas), "status": {"readyReplicas": ready}}


def pod() -> dict[str, Any]:
    labels = {LABEL_NAME: NAME, LABEL_REVISION: id_of(V1)}
    return {"metadata": {"name": f"{NAME}-{id_of(V1)}-1", "namespace": NAMESPACE, "labels": labels}, "status": {}}


KINDS: list[tuple[Resource, dict[str, Any]]] = [
    (MODEL_DEPLOYMENTS, manifest(V1)),
    (MODEL_REVISIONS, revision_manifest(OWNER, V1)),
    (DEPLOYMENTS, workload()),
    (SERVICES, entry_manifest(OWNER, selector=selector(), port=8080)),
    (PODS, pod()),
    (HTTP_ROUTES, route_manifest(OWNER, route(V1))),
]
ids = [resource.plural for resource, _ in KINDS]


@pytest.fixture
def cache() -> Cache:
    return Cache()


def ready(cache: Cache) -> int:
    (view,) = cache.family(KEY).workloads.values()
    return view.ready


@pytest.mark.parametrize(("resource", "body"), KINDS, ids=ids)
def test_an_object_wakes_its_deployment_when_it_comes_and_when_it_goes(
    cache: Cache, resource: Resource, body: dict[str, Any]
) -> None:
    assert cache.put(resource, at(1, body)) == KEY
    assert cache.family(KEY)
    assert cache.remove(resource, at(2, body)) == KEY
    assert not cache.family(KEY)


@pytest.mark.parametrize(("resource", "body"), KINDS, ids=ids)
def test_the_event_of_an_own_write_wakes_nobody(cache: Cache, resource: Resource, body: dict[str, Any]) -> None:
    cache.put(resource, at(5, body))
    assert cache.put(resource, at(5, body)) is None


def test_an_event_that_is_older_than_what_is_known_is_dropped(cache: Cache) -> None:
    cache.put(DEPLOYMENTS, at(9, workload(ready=3)))
    assert cache.put(DEPLOYMENTS, at(8, workload(ready=0))) is None
    assert ready(cache) == 3


def test_versions_are_numbers_not_text(cache: Cache) -> None:
    cache.put(DEPLOYMENTS, at(9, workload(ready=0)))
    assert cache.put(DEPLOYMENTS, at(10, workload(ready=3))) == KEY
    assert ready(cache) == 3


def test_an_event_that_changes_no_field_of_ours_wakes_nobody_but_is_remembered(cache: Cache) -> None:
    cache.put(DEPLOYMENTS, at(1, workload(ready=3)))
    assert cache.put(DEPLOYMENTS, at(5, workload(ready=3))) is None
    assert cache.put(DEPLOYMENTS, at(4, workload(ready=1))) is None
    assert ready(cache) == 3


def test_another_object_of_the_same_name_counts_from_its_own_beginning(cache: Cache) -> None:
    cache.put(DEPLOYMENTS, at(9, workload(ready=3), uid="old"))
    assert cache.put(DEPLOYMENTS, at(4, workload(ready=0), uid="new")) == KEY
    assert ready(cache) == 0


def test_the_end_of_the_old_object_does_not_take_the_new_one_along(cache: Cache) -> None:
    cache.put(DEPLOYMENTS, at(9, workload(), uid="old"))
    cache.put(DEPLOYMENTS, at(12, workload(ready=2), uid="new"))
    assert cache.remove(DEPLOYMENTS, at(11, workload(), uid="old")) is None
    assert ready(cache) == 2


def test_deleted_and_made_again_is_there(cache: Cache) -> None:
    cache.put(DEPLOYMENTS, at(1, workload(), uid="old"))
    cache.remove(DEPLOYMENTS, at(2, workload(), uid="old"))
    assert cache.put(DEPLOYMENTS, at(3, workload(ready=1), uid="new")) == KEY
    assert ready(cache) == 1


def test_what_we_deleted_ourselves_is_gone_at_once_whatever_the_watch_still_tells_of_it(cache: Cache) -> None:
    cache.put(DEPLOYMENTS, at(1, workload(ready=3), uid="old"))
    cache.gone(DEPLOYMENTS, namespace=NAMESPACE, name=workload()["metadata"]["name"])
    assert not cache.family(KEY).workloads
    assert cache.put(DEPLOYMENTS, at(2, workload(ready=2), uid="old")) is None, "told before it was deleted"
    assert not cache.family(KEY).workloads
    assert cache.put(DEPLOYMENTS, at(4, workload(ready=1), uid="new")) == KEY, "we made it again"
    assert cache.remove(DEPLOYMENTS, at(3, workload(), uid="old")) is None
    assert ready(cache) == 1


def test_deleting_what_was_never_heard_of_is_no_matter(cache: Cache) -> None:
    cache.gone(DEPLOYMENTS, namespace=NAMESPACE, name="unknown")
    assert not cache.family(KEY).workloads


def test_a_deployment_that_is_being_deleted_is_not_there_any_more(cache: Cache) -> None:
    cache.put(MODEL_DEPLOYMENTS, at(1, manifest(V1)))
    leaving = at(2, manifest(V1), deletionTimestamp="2026-11-24T12:00:00Z")
    assert cache.put(MODEL_DEPLOYMENTS, leaving) == KEY
    assert cache.family(KEY).deployment is None
    assert cache.deployments() == []


def test_children_of_a_deployment_that_is_gone_are_kept_until_they_are_gone(cache: Cache) -> None:
    cache.put(MODEL_DEPLOYMENTS, at(1, manifest(V1)))
    cache.put(DEPLOYMENTS, at(2, workload()))
    cache.remove(MODEL_DEPLOYMENTS, at(3, manifest(V1)))
    assert cache.family(KEY).workloads
    cache.remove(DEPLOYMENTS, at(4, workload()))
    assert not cache.family(KEY)


def test_families_of_the_same_name_in_two_namespaces_are_two(cache: Cache) -> None:
    cache.put(MODEL_DEPLOYMENTS, at(1, manifest(V1)))
    cache.put(MODEL_DEPLOYMENTS, at(1, manifest(V2, namespace="other")))
    assert cache.deployments() == [KEY, ("other", NAME)]
    found = [family.deployment for family in map(cache.family, cache.deployments())]
    assert [one.spec for one in found if one] == [V1, V2]


def test_an_object_without_our_label_is_nobodys(cache: Cache) -> None:
    body = workload()
    body["metadata"]["labels"] = {}
    assert cache.put(DEPLOYMENTS, at(1, body)) is None
    assert cache.remove(DEPLOYMENTS, at(2, body)) is None


def test_a_revision_that_cannot_be_read_wakes_but_is_not_kept(cache: Cache) -> None:
    body = at(1, {**revision_manifest(OWNER, V1), "status": {"state": "Nonsense"}})
    assert cache.put(MODEL_REVISIONS, body) == KEY
    assert cache.family(KEY).revisions == {}


def test_the_end_of_something_never_heard_of_is_no_news(cache: Cache) -> None:
    assert cache.remove(PODS, at(1, pod())) is None


def test_what_is_forgotten_wakes_its_deployment_unless_it_is_another_object_by_now(cache: Cache) -> None:
    cache.put(PODS, at(1, pod(), uid="new"))
    place = {"namespace": NAMESPACE, "name": pod()["metadata"]["name"]}
    assert cache.names(PODS) == {(place["namespace"], place["name"]): "new"}
    assert cache.forget(PODS, **place, uid="old") is None
    assert cache.forget(PODS, **place, uid="new") == KEY
    assert cache.names(PODS) == {}
    assert cache.forget(PODS, **place, uid="new") is None
