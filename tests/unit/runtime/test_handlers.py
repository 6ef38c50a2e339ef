"""The door through which watch events come in: it never raises, and kopf is told to write nothing."""

import logging
from typing import Any

import pytest

from modelrollout.adapters.kubernetes import DEPLOYMENTS, MODEL_DEPLOYMENTS, PODS, Resource
from modelrollout.api.group import LABEL_NAME
from modelrollout.runtime import handlers
from modelrollout.runtime.cache import WATCHED, Cache
from modelrollout.runtime.queue import WorkQueue
from modelrollout.runtime.templates import WATCHED_TEMPLATES
from tests.builders import spec
from tests.clock import ManualClock
from tests.faults.world import manifest
from tests.unit.runtime.parts import KEY


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def queue() -> WorkQueue:
    return WorkQueue(ManualClock())


def deployment(version: str = "7") -> dict[str, Any]:
    body = manifest(spec("1"))
    return {**body, "metadata": {**body["metadata"], "uid": "1", "generation": 1, "resourceVersion": version}}


@pytest.mark.parametrize("type", ["ADDED", "MODIFIED", None])
def test_an_event_fills_the_cache_and_wakes_the_key(cache: Cache, queue: WorkQueue, type: str | None) -> None:
    handlers.take_in(MODEL_DEPLOYMENTS, {"type": type, "object": deployment()}, cache=cache, queue=queue)
    assert (cache.deployments(), queue.depth) == ([KEY], 1)


def test_a_deletion_wakes_the_key_too(cache: Cache, queue: WorkQueue) -> None:
    cache.put(MODEL_DEPLOYMENTS, deployment())
    handlers.take_in(MODEL_DEPLOYMENTS, {"type": "DELETED", "object": deployment("9")}, cache=cache, queue=queue)
    assert (cache.deployments(), queue.depth) == ([], 1)


def test_an_event_that_is_no_news_wakes_nobody(cache: Cache, queue: WorkQueue) -> None:
    cache.put(MODEL_DEPLOYMENTS, deployment())
    handlers.take_in(MODEL_DEPLOYMENTS, {"type": "MODIFIED", "object": deployment()}, cache=cache, queue=queue)
    assert queue.depth == 0


LABELS = {LABEL_NAME: "fraud"}


@pytest.mark.parametrize(
    ("resource", "event"),
    [
        (MODEL_DEPLOYMENTS, {}),
        (MODEL_DEPLOYMENTS, {"type": "ADDED"}),
        (MODEL_DEPLOYMENTS, {"type": "ADDED", "object": None}),
        (MODEL_DEPLOYMENTS, {"type": "ADDED", "object": {"metadata": {"name": "fraud"}}}),
        (MODEL_DEPLOYMENTS, {"type": "DELETED", "object": {}}),
        (DEPLOYMENTS, {"type": "ADDED", "object": {"metadata": {"namespace": "a", "name": "b", "labels": LABELS}}}),
        (
            DEPLOYMENTS,
            {
                "type": "ADDED",
                "object": {
                    "metadata": {"namespace": "a", "name": "b", "labels": LABELS, "resourceVersion": "seven"},
                    "spec": {},
                },
            },
        ),
        (
            PODS,
            {
                "type": "ADDED",
                "object": {
                    "metadata": {"namespace": "a", "name": "b", "labels": LABELS},
                    "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "soon"}]},
                },
            },
        ),
        (PODS, {"type": "ADDED", "object": {"metadata": {"namespace": "a", "name": "b", "labels": ["x"]}}}),
    ],
)
def test_an_event_that_cannot_be_understood_is_said_and_passed_over(
    cache: Cache, queue: WorkQueue, resource: Resource, event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        handlers.take_in(resource, event, cache=cache, queue=queue)
    assert f"an event of {resource.plural} could not be taken in" in caplog.text
    assert queue.depth == 0


def test_only_events_are_handled_because_all_else_makes_kopf_write(cache: Cache, queue: WorkQueue) -> None:
    registry = handlers.registry(cache, queue)
    assert len(registry._watching.get_all_handlers()) == len(WATCHED) + len(WATCHED_TEMPLATES)
    for others in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert list(others.get_all_handlers()) == []


def test_an_operator_of_one_namespace_watches_nothing_of_the_cluster(cache: Cache, queue: WorkQueue) -> None:
    watched = {
        str(handler.selector) for handler in handlers.registry(cache, queue, namespace="a")._watching.get_all_handlers()
    }
    assert any("gatetemplates" in name for name in watched)
    assert not any("clustergatetemplates" in name for name in watched)


def test_settings_ask_for_our_objects_only_and_write_nothing() -> None:
    settings = handlers.settings()
    assert settings.posting.enabled is False
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert isinstance(settings.watching.server_timeout, int), "the API server refuses 290.0"
