"""What one decision may look at, and how a process that was started anew finds its place."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from modelrollout.adapters.kubernetes import MODEL_REVISIONS, PODS
from modelrollout.api.group import LABEL_NAME, LABEL_REVISION
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import ModelRevisionStatus, RevisionState
from modelrollout.api.revision import child_name
from modelrollout.evidence import Counts, Interval
from modelrollout.plan.gates import stored
from modelrollout.plan.observation import Reading, Unreadable
from modelrollout.runtime.configs import Secrets
from modelrollout.runtime.history import Histories
from modelrollout.runtime.ledger import Entry
from modelrollout.runtime.observe import Observer, Seen
from modelrollout.runtime.wanted import Lookup
from tests.builders import BAD, NAME, NAMESPACE, NOW, ago, evidence, id_of, spec
from tests.unit.runtime.parts import KEY, Parts

V1, V2, V3 = spec("1"), spec("2"), spec("3")
WRITTEN_AT = ago(20)


def pod_name(of: ModelDeploymentSpec) -> str:
    return f"{child_name(NAME, id_of(of))}-7d9x-a"


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    """Version 2 beside version 1 in the canary stage; a warm pod of each."""
    made = Parts()
    made.roll(V2, stage=StageName.CANARY, weight=5)
    for of in (V1, V2):
        labels = {LABEL_NAME: NAME, LABEL_REVISION: id_of(of)}
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": ago(600).isoformat()}
        body = {"metadata": {"name": pod_name(of), "namespace": NAMESPACE, "labels": labels}}
        made.store.create(PODS, body)
        made.store.patch_status(PODS, namespace=NAMESPACE, name=pod_name(of), status={"conditions": [ready]})
    made.hear()
    made.prometheus.counters = {pod_name(V1): (1000, 1), pod_name(V2): (100, 2)}
    hub = asyncio.create_task(made.hub.run())
    yield made
    hub.cancel()
    await asyncio.gather(hub, return_exceptions=True)


async def observe(parts: Parts) -> Seen:
    deployment = parts.cache.family(KEY).deployment
    assert deployment is not None
    assert deployment.spec is not None
    observer = Observer(
        cache=parts.cache,
        ledger=parts.ledger,
        hub=parts.hub,
        histories=Histories(parts.prometheus),
        lookup=Lookup(
            api=parts.line, configs=parts.cache.configs, secrets=Secrets(parts.clock), resolver=parts.registry.resolver
        ),
        registry=parts.registry,
        verifier=parts.verifier,
    )
    observing = asyncio.create_task(observer.observe(KEY, deployment, deployment.spec))
    await parts.clock.run(0.5)
    return await observing


async def subscribed(parts: Parts) -> None:
    """As after the first plan: the hub asks, and has asked once."""
    await parts.reconciler.reconcile(KEY)
    await parts.clock.run(5)


def write_evidence(parts: Parts, *, of: ModelDeploymentSpec = V2, revision: ModelDeploymentSpec = V2) -> None:
    known = evidence(BAD, of=of, at=WRITTEN_AT)
    status = ModelRevisionStatus(state=RevisionState.CANARY, evidence=stored(known))
    parts.write(id_of(revision), status)
    parts.hear()


def served(reading: Reading) -> Interval:
    """What the errors gate counted."""
    found = reading.intervals["errors"]
    assert isinstance(found, Interval)
    return found


async def test_the_objects_are_those_of_the_cache(parts: Parts) -> None:
    observation = (await observe(parts)).observation
    assert (observation.target, observation.spec) == (id_of(V2), V2)
    assert {id: view.ready for id, view in observation.revisions.items()} == {id_of(V1): 3, id_of(V2): 3}
    assert [pod.name for pod in observation.revisions[id_of(V2)].pods] == [pod_name(V2)]
    assert observation.entry is not None
    assert observation.reading is None


async def test_the_first_tick_is_a_baseline(parts: Parts) -> None:
    await subscribed(parts)
    seen = await observe(parts)
    assert isinstance(seen.observation.reading, Reading)
    assert served(seen.observation.reading).candidate == Counts(0, 0)
    assert seen.counters == {"errors": {pod_name(V1): Counts(1000, 1), pod_name(V2): Counts(100, 2)}}
    assert len(parts.prometheus.asked) == 1, "with nothing written there is no past to ask for"


async def test_a_tick_that_was_planned_with_is_no_news(parts: Parts) -> None:
    await subscribed(parts)
    await parts.reconciler.reconcile(KEY)
    seen = await observe(parts)
    assert (seen.observation.reading, seen.counters) == (None, None)
    assert seen.observation.evidence is not None


async def test_the_next_tick_is_what_was_served_since(parts: Parts) -> None:
    await subscribed(parts)
    await parts.reconciler.reconcile(KEY)
    parts.prometheus.counters = {pod_name(V1): (1500, 2), pod_name(V2): (130, 5)}
    await parts.clock.run(5)
    reading = (await observe(parts)).observation.reading
    assert isinstance(reading, Reading)
    assert served(reading) == Interval(candidate=Counts(30, 3), stable=Counts(500, 1))


async def test_after_a_restart_the_counters_of_the_recorded_time_are_the_baseline(parts: Parts) -> None:
    write_evidence(parts)
    seen = await observe(parts)
    assert parts.prometheus.asked == [WRITTEN_AT]
    entry = parts.ledger.get(KEY, id_of(V2))
    assert entry is not None
    assert (entry.read_at, entry.counters["errors"][pod_name(V2)]) == (WRITTEN_AT, Counts(100, 2))
    assert seen.observation.evidence == entry.evidence
    await observe(parts)
    assert parts.prometheus.asked == [WRITTEN_AT], "asked once in a life"


async def test_only_pods_that_were_warm_at_the_recorded_time_have_a_baseline_then(parts: Parts) -> None:
    late = {"type": "Ready", "status": "True", "lastTransitionTime": (WRITTEN_AT - timedelta(seconds=59)).isoformat()}
    parts.store.patch_status(PODS, namespace=NAMESPACE, name=pod_name(V2), status={"conditions": [late]})
    write_evidence(parts)
    await observe(parts)
    entry = parts.ledger.get(KEY, id_of(V2))
    assert entry is not None
    assert set(entry.counters["errors"]) == {pod_name(V1)}


async def test_where_the_past_cannot_be_asked_the_written_evidence_still_rolls_back(parts: Parts) -> None:
    write_evidence(parts)
    parts.prometheus.down = "connection refused"
    seen = await observe(parts)
    assert seen.observation.reading == Unreadable("errors: connection refused")
    assert seen.observation.evidence is not None
    assert parts.ledger.get(KEY, id_of(V2)) is None, "asked again at the next look"
    reconciling = asyncio.create_task(parts.reconciler.reconcile(KEY))
    await parts.clock.run(1)
    await reconciling
    assert parts.status()["rejected"] == id_of(V2)


async def test_evidence_that_nobody_can_read_is_said_to_be_so(parts: Parts) -> None:
    write_evidence(parts)
    body = parts.store.get(MODEL_REVISIONS, NAMESPACE, child_name(NAME, id_of(V2)))
    body["status"]["evidence"]["gates"][0]["state"]["candidate"] = "many"
    parts.store.patch_status(
        MODEL_REVISIONS, namespace=NAMESPACE, name=child_name(NAME, id_of(V2)), status=body["status"]
    )
    parts.hear()
    reading = (await observe(parts)).observation.reading
    assert isinstance(reading, Unreadable)
    assert reading.reason.startswith("the written evidence cannot be read: ")


async def test_evidence_in_memory_of_another_candidate_is_not_used(parts: Parts) -> None:
    parts.ledger.put(KEY, Entry(revision=id_of(V3), read_at=NOW, evidence=evidence(BAD, of=V3)))
    assert (await observe(parts)).observation.evidence is None


async def test_evidence_in_the_status_of_another_revision_is_not_used(parts: Parts) -> None:
    write_evidence(parts, revision=V1)
    seen = await observe(parts)
    assert (seen.observation.evidence, parts.prometheus.asked) == (None, [])


async def test_when_the_spec_names_another_version_nothing_is_read(parts: Parts) -> None:
    await subscribed(parts)
    parts.apply(V3)
    parts.hear()
    seen = await observe(parts)
    assert (seen.observation.evidence, seen.observation.reading) == (None, None)


@pytest.mark.parametrize("stage", [StageName.SOAK, StageName.LIVE])
async def test_stages_that_compare_nothing_read_nothing(parts: Parts, stage: StageName) -> None:
    await subscribed(parts)
    deployment = parts.cache.family(KEY).deployment
    assert deployment is not None
    status = deployment.status.model_copy(update={"stage": stage})
    parts.cache.family(KEY).deployment = replace(deployment, status=status)
    assert (await observe(parts)).observation.reading is None


async def test_a_prometheus_that_is_down_is_unreadable_and_the_evidence_stays(parts: Parts) -> None:
    await subscribed(parts)
    await parts.reconciler.reconcile(KEY)
    parts.prometheus.down = "connection refused"
    await parts.clock.run(5)
    seen = await observe(parts)
    assert seen.observation.reading == Unreadable("errors: connection refused")
    assert seen.observation.evidence is not None
    assert seen.counters is None
