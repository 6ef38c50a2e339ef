"""The load generator against a small server on loopback: what it counts, when it stops, whom it refuses."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from demo.load import Load, LoadCounts, LoadSettings, TargetRefusedError, main, parse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ROWS = tuple((float(number), 1.0) for number in range(10))


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server that answers every path with the handler."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def settings(url: str, **changes: object) -> LoadSettings:
    values: dict[str, object] = {
        "url": url,
        "host": "biopsy.example.com",
        "model": "biopsy",
        "rate": 500,
        "seconds": 0.2,
    }
    return LoadSettings(**{**values, **changes})  # type: ignore[arg-type]


async def finished(load: Load) -> LoadCounts:
    """Run to the end without blocking the loop that the server needs."""
    load.start()
    return await asyncio.to_thread(load.wait)


async def reached(condition: Callable[[], bool]) -> None:
    """Wait, without blocking the loop, for what the load's own thread brings about."""

    def poll() -> None:
        while not condition():
            time.sleep(0.005)

    await asyncio.wait_for(asyncio.to_thread(poll), 30)


async def first_value(request: web.Request) -> float:
    body = await request.json()
    value: float = body["inputs"][0]["data"][0]
    return value


def good(version: str = "v1") -> web.Response:
    return web.json_response({"model_name": "biopsy", "model_version": version, "outputs": []})


async def test_counts_every_outcome_by_what_the_user_saw() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        value = await first_value(request)
        if value == 0:
            return web.Response(status=500)
        if value == 1:
            return web.Response(status=503)
        if value == 2:
            return web.Response(status=422)
        if value == 3:
            await asyncio.sleep(5)
        if value == 4 and request.transport is not None:
            request.transport.close()
        return good("v2" if value == 5 else "v1")

    async with serving(handler) as url:
        counts = await finished(Load(settings(url, timeout=3), ROWS))

    assert counts.sent == 100
    assert counts.failed_by_status == {422: 10, 500: 10, 503: 10}
    assert counts.server_errors == 20
    assert counts.timeouts == 10
    assert counts.connection_errors == 10
    assert counts.ok == 50
    assert counts.answered_by == {"v1": 40, "v2": 10}
    assert counts.failed == 50
    assert counts.in_flight == 0
    assert counts.latencies.count == 80
    assert 0 < counts.latencies.p50 <= counts.latencies.p99 <= counts.latencies.maximum


async def test_sends_open_inference_requests_with_the_host_header() -> None:
    seen: list[tuple[str, str, str | None, object]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.path, request.headers.get("Host"), await request.json()))
        return good()

    async with serving(handler) as url:
        await finished(Load(settings(url + "/", rate=10, seconds=0.1), [(1.5, 2.0)]))

    tensor = {"name": "features", "shape": [1, 2], "datatype": "FP64", "data": [1.5, 2.0]}
    assert seen == [("POST", "/v2/models/biopsy/infer", "biopsy.example.com", {"inputs": [tensor]})]


async def test_replays_each_row_equally_often() -> None:
    seen: list[float] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(await first_value(request))
        return good()

    async with serving(handler) as url:
        await finished(Load(settings(url, rate=200, seconds=0.1), ROWS))

    assert sorted(seen) == sorted([row[0] for row in ROWS] * 2)


async def test_is_an_open_loop_a_slow_server_gets_the_same_requests() -> None:
    release = asyncio.Event()

    async def handler(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return good()

    async with serving(handler) as url:
        load = Load(settings(url, rate=100, seconds=0.3), ROWS)
        load.start()
        await reached(lambda: load.snapshot().sent >= 30)
        assert load.snapshot().in_flight == 30
        assert load.snapshot().ok == 0
        release.set()
        counts = await asyncio.to_thread(load.wait)

    assert (counts.sent, counts.ok) == (30, 30)


async def test_holds_back_what_is_over_the_bound_and_says_so() -> None:
    release = asyncio.Event()

    async def handler(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return good()

    async with serving(handler) as url:
        load = Load(settings(url, rate=100, seconds=0.3, max_in_flight=10), ROWS)
        load.start()
        await reached(lambda: load.snapshot().sent + load.snapshot().not_sent >= 30)
        release.set()
        counts = await asyncio.to_thread(load.wait)

    assert counts.sent == 10
    assert counts.not_sent == 20


@pytest.mark.parametrize("spacing", ["even", "poisson"])
async def test_keeps_its_rate(spacing: str) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return good()

    async with serving(handler) as url:
        counts = await finished(Load(settings(url, rate=400, seconds=0.5, spacing=spacing), ROWS))

    due = counts.sent + counts.not_sent
    assert due == 200 if spacing == "even" else 140 < due < 260


async def test_stop_ends_it_early_and_waits_for_what_is_on_its_way() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return good()

    async with serving(handler) as url:
        load = Load(settings(url, rate=100, seconds=600), ROWS)
        load.start()
        await reached(lambda: load.snapshot().sent >= 5)
        counts = await asyncio.to_thread(load.stop)

    assert not load.running
    assert counts.sent < 600
    assert counts.in_flight == 0
    assert counts.sent == counts.ok


async def test_stop_straight_after_start_and_twice() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return good()

    async with serving(handler) as url:
        load = Load(settings(url, seconds=600), ROWS)
        load.start()
        first = await asyncio.to_thread(load.stop)
        assert await asyncio.to_thread(load.stop) == first
        with pytest.raises(RuntimeError, match="once"):
            load.start()


async def test_a_server_that_is_not_there_is_a_connection_error() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return good()

    async with serving(handler) as url:
        gone = url
    counts = await finished(Load(settings(gone, rate=100, seconds=0.1), ROWS))
    assert counts.connection_errors == counts.sent == 10


async def test_failures_are_kept_and_appended_with_their_time(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500) if await first_value(request) == 7 else good()

    file = tmp_path / "failures.jsonl"
    async with serving(handler) as url:
        load = Load(settings(url, rate=100, seconds=0.2, failures_file=file), ROWS)
        await finished(load)

    kept = load.failures()
    assert [(failure.row, failure.outcome) for failure in kept] == [(7, "500")] * 2
    assert [json.loads(line)["at"] for line in file.read_text().splitlines()] == [failure.at for failure in kept]


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1:80", "http://example.com", "http://[2001:db8::1]:80", "http://0.0.0.0:80"]
)
def test_refuses_what_is_not_this_machine(url: str) -> None:
    with pytest.raises(TargetRefusedError, match="not on this machine"):
        settings(url)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://127.0.0.1", "http://"])
def test_refuses_what_is_no_address(url: str) -> None:
    with pytest.raises(TargetRefusedError, match="no address"):
        settings(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://127.9.9.9:1", "http://localhost:80", "http://[::1]:80"])
def test_takes_every_loopback_address(url: str) -> None:
    assert settings(url).infer_url == f"{url}/v2/models/biopsy/infer"


def test_takes_a_host_that_was_allowed_by_name_and_no_other() -> None:
    assert settings("http://gateway.example.com", allow_hosts=("gateway.example.com",))
    with pytest.raises(TargetRefusedError):
        settings("http://other.example.com", allow_hosts=("gateway.example.com",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0}, "rate must be above 0"),
        ({"rate": 5000}, "at most 1000"),
        ({"rate": float("nan")}, "rate must be above 0"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"seconds": 1801}, "at most 1800"),
        ({"max_in_flight": 0}, "max_in_flight"),
    ],
)
def test_refuses_loads_without_bounds(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings("http://127.0.0.1", **changes)


def test_refuses_to_send_nothing() -> None:
    with pytest.raises(ValueError, match="no rows"):
        Load(settings("http://127.0.0.1"), [])


def test_command_line_tells_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--url", "http://example.com"])
    assert "--allow-host example.com" in capsys.readouterr().err
    chosen, _ = parse(["--url", "http://example.com", "--allow-host", "example.com", "--rate", "5"])
    assert (chosen.rate, chosen.seconds, chosen.host) == (5, 60, "biopsy.example.com")


async def test_command_line_prints_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return good("v2")

    async with serving(handler) as url:
        arguments = ["--url", url, "--rate", "100", "--seconds", "0.2"]
        assert await asyncio.to_thread(main, [*arguments, "--json"]) == 0
        counts = json.loads(capsys.readouterr().out)
        assert await asyncio.to_thread(main, arguments) == 0

    assert (counts["sent"], counts["ok"], counts["answered_by"]) == (20, 20, {"v2": 20})
    assert "sent 20, ok 20 (v2 20)" in capsys.readouterr().out
