"""The pages as a probe and a scrape see them, and the metrics on them."""

import asyncio
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelrollout.evidence import Counts
from modelrollout.runtime.health import HealthServer
from modelrollout.runtime.telemetry import GateFigures, RolloutFigures, Telemetry


class Pages:
    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def get(self, path: str) -> tuple[int, str]:
        async with self._session.get(self._base + path) as response:
            return response.status, await response.text()


@pytest.fixture
def problems() -> dict[str, str | None]:
    return {"workers": None, "loop": None, "cache": None}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
async def pages(problems: dict[str, str | None], telemetry: Telemetry) -> AsyncIterator[Pages]:
    server = HealthServer(
        live={"workers": lambda: problems["workers"], "loop": lambda: problems["loop"]},
        ready={"cache": lambda: problems["cache"]},
        exposition=telemetry.exposition,
        port=0,
        host="127.0.0.1",
    )
    async with server, aiohttp.ClientSession() as session:
        yield Pages(session, f"http://127.0.0.1:{server.port}")


async def test_all_is_well(pages: Pages) -> None:
    assert await pages.get("/healthz") == (200, "ok\n")
    assert await pages.get("/readyz") == (200, "ok\n")
    assert (await pages.get("/other"))[0] == 404


async def test_what_is_wrong_is_said_and_only_on_its_page(pages: Pages, problems: dict[str, str | None]) -> None:
    problems["workers"] = "no sign of life for 90 s"
    problems["loop"] = "stalls"
    assert await pages.get("/healthz") == (503, "workers: no sign of life for 90 s\nloop: stalls\n")
    assert await pages.get("/readyz") == (200, "ok\n")
    problems |= {"workers": None, "loop": None, "cache": "not filled yet"}
    assert await pages.get("/healthz") == (200, "ok\n")
    assert await pages.get("/readyz") == (503, "cache: not filled yet\n")


async def test_readiness_does_not_ask_who_leads(pages: Pages, telemetry: Telemetry) -> None:
    telemetry.lead(False)
    assert await pages.get("/readyz") == (200, "ok\n")


async def test_pages_are_answered_while_a_scrape_is_written() -> None:
    release = threading.Event()

    def slow_exposition() -> bytes:
        assert release.wait(5)
        return b""

    server = HealthServer(live={}, ready={}, exposition=slow_exposition, port=0, host="127.0.0.1")
    async with server, aiohttp.ClientSession() as session:
        pages = Pages(session, f"http://127.0.0.1:{server.port}")
        scrape = asyncio.create_task(pages.get("/metrics"))
        assert await pages.get("/healthz") == (200, "ok\n")
        assert not scrape.done()
        release.set()
        assert await scrape == (200, "")


Sample = tuple[str, frozenset[tuple[str, str]]]


def named(name: str, /, **labels: str) -> Sample:
    return name, frozenset(labels.items())


def samples(text: str, prefix: str) -> dict[Sample, float]:
    return {
        named(sample.name.removeprefix(prefix), **sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(prefix) and not sample.name.endswith("_created")
    }


FIGURES = RolloutFigures(
    revision="0123456789",
    weight_percent=25,
    log_harm_threshold=4.6,
    log_safety_threshold=3.0,
    gates=(
        GateFigures(
            gate="errors", log_harm=-1.5, log_safety=2.5, candidate=Counts(50.0, 1.0), stable=Counts(950.0, 9.0)
        ),
    ),
)


async def test_a_rollout_is_told_while_it_is_under_way_and_no_longer(pages: Pages, telemetry: Telemetry) -> None:
    telemetry.set_rollout(("ns", "fraud"), FIGURES)
    telemetry.set_rollout(("ns", "fraud"), FIGURES)
    status, text = await pages.get("/metrics")
    assert status == 200
    deployment = {"namespace": "ns", "name": "fraud"}
    rollout = {**deployment, "revision": "0123456789"}
    errors = {**rollout, "gate": "errors"}
    assert samples(text, "modelrollout_rollout_") == {
        named("weight_percent", **rollout): 25.0,
        named("log_evidence", **errors, kind="harm"): -1.5,
        named("log_evidence", **errors, kind="safety"): 2.5,
        named("log_threshold", **deployment, kind="harm"): 4.6,
        named("log_threshold", **deployment, kind="safety"): 3.0,
        named("requests", **errors, arm="candidate", outcome="all"): 50.0,
        named("requests", **errors, arm="candidate", outcome="bad"): 1.0,
        named("requests", **errors, arm="stable", outcome="all"): 950.0,
        named("requests", **errors, arm="stable", outcome="bad"): 9.0,
    }
    telemetry.remove_rollout(("ns", "fraud"))
    telemetry.remove_rollout(("ns", "fraud"))
    assert samples((await pages.get("/metrics"))[1], "modelrollout_rollout_") == {}


async def test_what_the_process_did(pages: Pages, telemetry: Telemetry) -> None:
    telemetry.reconciled(result="ok", seconds=0.2)
    telemetry.api_request("apply", "deployments", "200")
    telemetry.api_request("apply", "deployments", "200")
    telemetry.prometheus_query("unavailable")
    telemetry.decided(outcome="RollBack", reason="Harmful")
    telemetry.lead(True)
    telemetry.watch_queue(lambda: 7)
    found = samples((await pages.get("/metrics"))[1], "modelrollout_")
    assert found[named("reconcile_total", result="ok")] == 1
    assert found[named("reconcile_duration_seconds_sum")] == 0.2
    assert found[named("reconcile_duration_seconds_bucket", le="0.25")] == 1
    assert found[named("reconcile_duration_seconds_bucket", le="0.1")] == 0
    assert found[named("api_requests_total", verb="apply", resource="deployments", code="200")] == 2
    assert found[named("prometheus_queries_total", result="unavailable")] == 1
    assert found[named("decisions_total", outcome="RollBack", reason="Harmful")] == 1
    assert found[named("leader")] == 1
    assert found[named("queue_depth")] == 7


def test_two_of_them_share_no_number() -> None:
    one, other = Telemetry(), Telemetry()
    one.lead(True)
    assert samples(one.exposition().decode(), "modelrollout_leader") == {named(""): 1.0}
    assert samples(other.exposition().decode(), "modelrollout_leader") == {named(""): 0.0}
