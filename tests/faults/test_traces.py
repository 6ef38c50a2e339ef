"""Traces of whole rollouts, as a collector gets them over HTTP; and rollouts beside a collector that takes none."""

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from modelrollout.adapters.kubernetes import MODEL_REVISIONS, Conflict
from modelrollout.adapters.opentelemetry import OpenTelemetry
from modelrollout.runtime import traced
from tests.faults.collector import Collector
from tests.faults.direct import Meddle, Moment, Request
from tests.faults.scenarios import BAD_ONE, GOOD, Scenario, play
from tests.faults.store import Store
from tests.faults.test_registry import asking, begun
from tests.faults.wired import Wired
from tests.faults.world import World, brisk

SCENARIOS = pytest.mark.parametrize("scenario", [GOOD, BAD_ONE], ids=lambda scenario: scenario.name)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100000")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=staging")


def tracer(collector: Collector, monkeypatch: pytest.MonkeyPatch, *, patience_seconds: float = 30) -> OpenTelemetry:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    return OpenTelemetry(identity="operator-0", patience_seconds=patience_seconds)


def decisions_of(store: Store) -> Counter[tuple[str, str]]:
    """Those that the revisions' status keeps."""
    kept = (one for body in store.all(MODEL_REVISIONS) for one in body["status"]["decisions"])
    return Counter((one["outcome"], one["reason"]) for one in kept)


async def traced_rollout(
    scenario: Scenario, collector: Collector, monkeypatch: pytest.MonkeyPatch, *, conflicts: bool = False
) -> World:
    sending = tracer(collector, monkeypatch)
    async with World(tracer=sending) as world:
        if conflicts:
            world.meddle = every_third_status_meets_a_conflict()
        await scenario.begin(world)
        await play(scenario, world)
    await sending.close()
    return world


def every_third_status_meets_a_conflict() -> Meddle:
    writes = 0

    def meddle(request: Request, moment: Moment) -> None:
        nonlocal writes
        if request.verb == "patch_status" and moment is Moment.BEFORE:
            writes += 1
            if writes % 3 == 0:
                raise Conflict(409, "Conflict", "somebody wrote first")

    return meddle


@SCENARIOS
async def test_every_decision_has_its_span(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        world = await traced_rollout(scenario, collector, monkeypatch)

    assert collector.decisions() == decisions_of(world.store)
    deciding = [span.attributes for span in collector.named("reconcile") if span.events]
    assert len(deciding) >= 4
    for attributes in deciding:
        assert {"modelrollout.outcome", "modelrollout.decision", "modelrollout.revision", "modelrollout.stage"} <= set(
            attributes
        )
    assert collector.resource["service.name"] == "modelrollout"
    assert collector.resource["service.instance.id"] == "operator-0"
    assert collector.resource["deployment.environment"] == "staging"


@SCENARIOS
async def test_a_decision_whose_write_fails_is_told_of_once(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        world = await traced_rollout(scenario, collector, monkeypatch, conflicts=True)

    results = Counter(span.attributes["modelrollout.result"] for span in collector.named("reconcile"))
    assert results["conflict"] >= 3
    assert all(span.failed for span in collector.named("reconcile") if span.attributes["modelrollout.result"] != "ok")
    assert collector.decisions() == decisions_of(world.store)


async def test_questions_are_children_of_the_look_or_the_tick_that_asks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        world = await traced_rollout(GOOD, collector, monkeypatch)

    by_id = {span.id: span for span in collector.spans}
    writes = [span for span in collector.spans if span.name in ("kubernetes apply", "kubernetes patch_status")]
    assert len(writes) == sum(request.verb in ("apply", "patch_status") for request in world.lines[-1].log)
    assert {by_id[span.parent].name for span in writes} == {"reconcile"}
    queries = collector.named("prometheus instant")
    assert queries
    assert {by_id[span.parent].name for span in queries} == {"tick"}
    assert {span.attributes["modelrollout.result"] for span in queries} == {"success"}
    ticks = {span.attributes["modelrollout.read_at"] for span in collector.named("tick")}
    read = {span.attributes.get("modelrollout.read_at") for span in collector.named("reconcile")} - {None}
    assert read
    assert read <= ticks


async def test_every_question_to_the_registry_has_its_span(monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        sending = tracer(collector, monkeypatch)
        async with World(tracer=sending) as world:
            await begun(world, asking())
            world.registry.goes_down()
            world.apply(asking("models:/fraud/2"))
            await world.until(lambda: world.condition("Stalled").get("status") == "True", within=60)
            log = list(world.registry.log)
        await sending.close()

    told = [span for span in collector.spans if span.name.startswith("registry ")]
    assert Counter(span.name for span in told) == Counter(f"registry {line.split()[0]}" for line in log)
    results = Counter(span.attributes["modelrollout.result"] for span in told)
    assert results["success"] >= 3
    assert results["RegistryUnavailable"] >= 1
    assert {span.attributes["modelrollout.model"] for span in told} == {"fraud"}


async def test_the_table_has_every_attribute_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        await traced_rollout(BAD_ONE, collector, monkeypatch)

    rows = [line.split("|")[1:3] for line in (traced.__doc__ or "").splitlines() if line.startswith("| `")]
    listed = {word for row in rows for word in re.findall(r"`(\w+)`", row[1])}
    sent = {key.removeprefix("modelrollout.") for span in collector.spans for key in span.attributes}
    sent = {"namespace" if key == "k8s.namespace.name" else key for key in sent}
    assert sent == listed - {"model"}, "nobody has a registry here"


@SCENARIOS
async def test_a_collector_that_never_answers_holds_up_nothing(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same writes at the same virtual times, and no more memory than the queue is long."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    async with World() as undisturbed:
        await scenario.begin(undisturbed)
        await play(scenario, undisturbed)

    with Collector(silent=True) as collector:
        sending = tracer(collector, monkeypatch, patience_seconds=0.05)
        async with World(tracer=sending) as world:
            await scenario.begin(world)
            await play(scenario, world)
            assert collector.requests == 1, "one batch is on its way, and nobody waits for it"
            assert collector.spans == []
            assert world.clock.monotonic() == undisturbed.clock.monotonic()
            assert world.lines[-1].log == undisturbed.lines[-1].log
            assert world.picture() == undisturbed.picture()
        await sending.close()


async def test_a_collector_that_is_away_or_refuses_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
    with Collector(status=401) as collector:
        world = await traced_rollout(BAD_ONE, collector, monkeypatch)

    assert world.is_live(BAD_ONE.winner)
    assert collector.requests > 3
    told = [record.getMessage() for record in caplog.records if "opentelemetry" in record.name]
    assert len(told) == 1
    assert "traces cannot be sent and are dropped" in told[0]
    assert "401" in told[0]


async def test_a_whole_process_sends_what_its_environment_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`main.run`, over real connections; nothing of the Lease, and what is left is sent before it ends."""
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        async with Wired(monkeypatch, tmp_path) as wired:
            wired.apply(brisk("1"))
            operator = wired.operator()
            await wired.until(lambda: wired.status().get("stage") == "Live")
            wired.stop()
            async with asyncio.timeout(30):
                assert await operator == 0

    assert collector.decisions() == decisions_of(wired.store)
    asked = {span.attributes.get("modelrollout.resource") for span in collector.spans} - {None}
    assert {"deployments", "modeldeployments", "modelrevisions"} <= asked
    assert "leases" not in asked
