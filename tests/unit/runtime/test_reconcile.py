"""One reconcile: what it writes, in which order, what it leaves alone, and what a failure leaves behind."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.adapters.kubernetes import (
    EVENTS,
    HTTP_ROUTES,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    Unreachable,
)
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import RevisionState
from modelrollout.api.revision import child_name
from modelrollout.plan.plan import Notice
from modelrollout.runtime.reconcile import event
from tests.builders import NAME, NAMESPACE, id_of, spec
from tests.clock import START
from tests.faults.direct import Moment, Request
from tests.unit.runtime.parts import KEY, Parts

V1, V2 = spec("1"), spec("2")


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def settle(parts: Parts) -> None:
    """Reconcile until there is nothing left to do at this moment."""
    for _ in range(10):
        if await parts.reconciler.reconcile(KEY) != 0.0:
            return
    raise AssertionError("still busy")


def refuse(parts: Parts, error: ApiError, *, verb: str, plural: str) -> None:
    def meddle(request: Request, moment: Moment) -> None:
        if moment is Moment.BEFORE and (request.verb, request.resource.plural) == (verb, plural):
            raise error

    parts.line.meddle = meddle


async def test_the_status_is_written_last_and_then_the_key_comes_again_at_once(parts: Parts) -> None:
    parts.apply(V1)
    parts.hear()
    assert await parts.reconciler.reconcile(KEY) == 0.0
    assert parts.writes == [
        f"apply modelrevisions/{NAME}-{id_of(V1)}",
        f"apply services/{NAME}-{id_of(V1)}",
        f"apply deployments/{NAME}-{id_of(V1)}",
        f"patch_status modelrevisions/{NAME}-{id_of(V1)}",
        f"patch_status modeldeployments/{NAME}",
    ]


async def test_where_nothing_changed_nothing_is_written(parts: Parts) -> None:
    parts.apply(V1)
    parts.hear()
    await settle(parts)
    parts.line.log.clear()
    assert await parts.reconciler.reconcile(KEY) is None
    assert parts.line.log == []


async def test_the_users_object_is_left_as_it_was(parts: Parts) -> None:
    before = parts.apply(V1)
    parts.hear()
    await settle(parts)
    after = parts.store.get(MODEL_DEPLOYMENTS, NAMESPACE, NAME)
    assert after["spec"] == before["spec"]
    assert after["metadata"] == {**before["metadata"], "resourceVersion": after["metadata"]["resourceVersion"]}


async def test_a_status_that_was_planned_from_an_older_version_is_refused(parts: Parts) -> None:
    parts.apply(V1)
    parts.hear()
    parts.apply(V2)
    with pytest.raises(Conflict):
        await parts.reconciler.reconcile(KEY)
    assert parts.status() == {}


async def test_a_revision_that_somebody_wrote_while_we_acted_is_not_overwritten(parts: Parts) -> None:
    """Its event is in the cache already when the status is written, so the resource version alone would let it pass."""
    seen = parts.roll(V2, stage=StageName.CANARY, weight=0)
    rolled_back = seen.revisions[id_of(V2)].status.model_copy(update={"state": RevisionState.ROLLED_BACK})

    def another_leader(request: Request, moment: Moment) -> None:
        if request.resource is HTTP_ROUTES and moment is Moment.AFTER:
            parts.write(id_of(V2), rolled_back)
            parts.hear()

    parts.line.meddle = another_leader
    with pytest.raises(Conflict):
        await parts.reconciler.reconcile(KEY)
    body = parts.store.get(MODEL_REVISIONS, NAMESPACE, child_name(NAME, id_of(V2)))
    assert body["status"]["state"] == "RolledBack"


async def test_a_failed_action_stops_the_plan_before_any_status(parts: Parts) -> None:
    parts.apply(V1)
    parts.hear()
    refuse(parts, Unreachable(500, "InternalError", "etcd"), verb="apply", plural="services")
    with pytest.raises(Unreachable):
        await parts.reconciler.reconcile(KEY)
    assert parts.writes == [f"apply modelrevisions/{NAME}-{id_of(V1)}", f"apply services/{NAME}-{id_of(V1)}"]
    assert parts.status() == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Invalid(422, "Invalid", "spec.template.spec.containers[0].image: Required value"), "InvalidTemplate"),
        (Forbidden(403, "Forbidden", "deployments.apps is forbidden"), "Forbidden"),
    ],
)
async def test_what_no_retry_can_mend_stalls_with_the_servers_own_words(
    parts: Parts, error: ApiError, reason: str
) -> None:
    parts.apply(V1)
    parts.hear()
    refuse(parts, error, verb="apply", plural="deployments")
    with pytest.raises(type(error)):
        await parts.reconciler.reconcile(KEY)
    stalled = next(c for c in parts.status()["conditions"] if c["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"], stalled["message"]) == ("True", reason, error.message)
    (posted,) = parts.store.look(EVENTS)
    assert (posted["type"], posted["reason"]) == ("Warning", reason)
    with pytest.raises(type(error)):
        await parts.reconciler.reconcile(KEY)
    assert len(parts.store.look(EVENTS)) == 1, "said once, not with each retry"


async def test_an_object_that_cannot_be_read_stalls_once_and_costs_nothing_more(parts: Parts) -> None:
    body = parts.apply(V1)
    body["spec"]["serving"]["replicas"] = "many"
    parts.store.checks = False
    parts.store.replace(MODEL_DEPLOYMENTS, body)
    parts.hear()
    assert await parts.reconciler.reconcile(KEY) is None
    ready = next(c for c in parts.status()["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert ready["message"].startswith("serving.replicas: ")
    parts.line.log.clear()
    assert await parts.reconciler.reconcile(KEY) is None
    assert parts.line.log == []


async def test_an_event_that_cannot_be_posted_is_only_logged(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    parts.roll(V2, stage=StageName.CANARY, weight=0)
    refuse(parts, Forbidden(403, "Forbidden", "events is forbidden"), verb="create", plural="events")
    with caplog.at_level(logging.WARNING):
        await settle(parts)
    assert parts.status()["weight"] == 5
    assert "event WeightIncreased was not posted: 403 Forbidden" in caplog.text


async def test_a_rollout_under_way_is_told_as_gauges_and_one_that_is_gone_is_not(parts: Parts) -> None:
    parts.roll(V2, stage=StageName.CANARY, weight=5)
    parts.prometheus.counters = {f"{NAME}-{id_of(V2)}-7d9x-a": (100, 0), f"{NAME}-{id_of(V1)}-7d9x-a": (100, 0)}
    hub = asyncio.create_task(parts.hub.run())
    await settle(parts)
    await parts.clock.run(6)
    await settle(parts)
    assert b'modelrollout_rollout_weight_percent{name="fraud"' in parts.telemetry.exposition()
    parts.cache.remove(MODEL_DEPLOYMENTS, parts.store.get(MODEL_DEPLOYMENTS, NAMESPACE, NAME))
    assert await parts.reconciler.reconcile(KEY) is None
    assert b'modelrollout_rollout_weight_percent{name="fraud"' not in parts.telemetry.exposition()
    asked = len(parts.prometheus.asked)
    await parts.clock.run(60)
    assert len(parts.prometheus.asked) == asked, "and Prometheus is not asked for it any more"
    hub.cancel()


async def test_the_next_look_is_when_the_plan_says(parts: Parts) -> None:
    parts.roll(V2, stage=StageName.SOAK, weight=100, since=60)
    for _ in range(5):
        again = await parts.reconciler.reconcile(KEY)
    assert again == pytest.approx(540, abs=1)


def test_an_event_names_the_object_and_keeps_its_words_within_bounds(parts: Parts) -> None:
    parts.apply(V1)
    parts.hear()
    deployment = parts.cache.family(KEY).deployment
    assert deployment is not None
    body = event(replace(deployment, uid="7"), Notice(reason="Installed", message="x" * 3000), START)
    assert body["regarding"] == {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelDeployment",
        "namespace": NAMESPACE,
        "name": NAME,
        "uid": "7",
    }
    assert (body["type"], len(body["note"]), body["eventTime"]) == ("Normal", 1024, "2026-11-24T12:00:00.000000Z")
    later = event(deployment, Notice(reason="Installed", message=""), START + timedelta(microseconds=1))
    assert later["metadata"]["name"] != body["metadata"]["name"]
