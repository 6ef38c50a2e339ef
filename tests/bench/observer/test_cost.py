"""What observing costs: time as ratios within one run, memory as bytes, series as a count. `-s` shows the figures."""

import asyncio
import json
import os
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelrollout.adapters.clock import SystemClock
from modelrollout.api.observe import Protocol
from modelrollout.api.observer import ObserverSettings
from modelrollout.observer.answers import Message, read_answer
from modelrollout.observer.budget import Account, Budget
from modelrollout.observer.compare import Comparator
from modelrollout.observer.middleware import ObserveMiddleware
from modelrollout.observer.pending import Pending, Sampled, overhead
from modelrollout.observer.program import Observer
from tests.bench.table import show

FEATURES = 30
NAMES = [f"feature_{number}" for number in range(FEATURES)]


def tensors(part: str, *, shift: float = 0.0) -> bytes:
    listed = [
        {"name": name, "datatype": "FP64", "shape": [1], "data": [0.5 + number / 100 + shift]}
        for number, name in enumerate(NAMES)
    ]
    return json.dumps({part: listed}).encode()


CONTRACT = {"inputs": [{"name": name, "type": "float", "range": {"min": 0, "max": 1}} for name in NAMES]}
REFERENCE = {
    "rows": 1000,
    "inputs": [
        {"name": name, "spread": "number", "edges": [at / 10 for at in range(11)], "ratios": [0.1] * 10}
        for name in NAMES
    ],
}


def seconds_a_turn(work: Callable[[], object], *, turns: int = 300, rounds: int = 7) -> float:
    """The least of several rounds, in CPU time: what others do on this machine only adds."""
    least = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(turns):
            work()
        least = min(least, (time.process_time() - began) / turns)
    return least


def test_comparing_two_answers_costs_a_few_times_what_parsing_them_does() -> None:
    one, other = tensors("outputs"), tensors("outputs", shift=1e-6)
    comparator = Comparator(())

    def compare() -> None:
        live = read_answer(Protocol.OPEN_INFERENCE, Message(one))
        candidate = read_answer(Protocol.OPEN_INFERENCE, Message(other))
        assert comparator.judge(live, candidate).verdict == "agree"

    parsing = seconds_a_turn(lambda: (json.loads(one), json.loads(other)))
    comparing = seconds_a_turn(compare)
    show(
        f"comparing two answers of {FEATURES} outputs",
        ("", "microseconds", "times parsing"),
        [
            ("json.loads of both", f"{parsing * 1e6:.0f}", "1"),
            ("read and compared", f"{comparing * 1e6:.0f}", f"{comparing / parsing:.1f}"),
        ],
    )
    assert comparing <= 12 * parsing


async def test_a_replayed_pair_costs_a_few_requests(tmp_path: Path) -> None:
    """CPU time of the observer's own process for each pair, beside that of a client that only asks one version."""
    pairs = 400
    answer = tensors("outputs")

    async def behave(_: web.Request) -> web.StreamResponse:
        return web.Response(body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", behave)
    async with TestServer(app) as model:
        url = str(model.make_url("")).rstrip("/")
        port = await _free_port()
        settings = {
            "namespace": "payments",
            "deployment": "fraud",
            "live": {"revision": "1" * 10, "url": url},
            "candidate": {"revision": "2" * 10, "url": url},
            "observe": {
                "sideEffects": "None",
                "protocol": "OpenInference",
                "sample": {"perSecond": 200},
                "noiseShare": 0,
            },
            "port": port,
        }
        file = tmp_path / "observer.json"
        file.write_text(json.dumps(settings))
        observer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "modelrollout.observer", "--settings", file, "--metrics-port", "0",
            "--host", "127.0.0.1", env={**os.environ, "PYTHONPATH": "operator"}, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as session:
                await _send(session, port, 20)
                before = _cpu_seconds(observer.pid)
                done = await _send(session, port, pairs)
                observing = (_cpu_seconds(observer.pid) - before) / done
        finally:
            observer.terminate()
            await observer.wait()
        alone = await _client_seconds(url, pairs, tmp_path)
    show(
        "CPU of the observer",
        ("", "milliseconds", "a second and core"),
        [
            ("one request by a client alone", f"{alone * 1e3:.2f}", f"{1 / alone:.0f}"),
            ("one pair: taken, asked twice, compared", f"{observing * 1e3:.2f}", f"{1 / observing:.0f}"),
        ],
    )
    assert observing <= 10 * alone


async def _send(session: aiohttp.ClientSession, port: int, count: int) -> int:
    """Copies at a pace that the rate lets through; the number that were sent."""
    body, headers = tensors("inputs"), {"Content-Type": "application/json"}
    for _ in range(count):
        for _ in range(1000):
            try:
                async with session.post(
                    f"http://127.0.0.1:{port}/v2/models/fraud/infer", data=body, headers=headers
                ) as response:
                    assert response.status == 202
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.006)
    return count


async def _client_seconds(url: str, count: int, folder: Path) -> float:
    """CPU time of a request by an aiohttp client that does nothing else, in a process of its own."""
    body = folder / "body.json"
    body.write_bytes(tensors("inputs"))
    script = f"""
import asyncio, time, aiohttp, pathlib
async def main():
    body = pathlib.Path({str(body)!r}).read_bytes()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        async def one():
            async with session.post({url!r} + "/v2/models/fraud/infer", data=body) as response:
                await response.read()
        for _ in range(20):
            await one()
        began = time.process_time()
        for _ in range({count}):
            await one()
        print((time.process_time() - began) / {count})
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return float(told)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _free_port() -> int:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port


@pytest.mark.parametrize("size", [200, 4000])
def test_what_a_queued_request_weighs_is_what_it_is_charged(size: int) -> None:
    budget = Budget(10**9)
    pending = Pending(longest=1000, on_drop=lambda: None)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(1000):
        account = Account(budget)
        body = bytes(size)
        headers = tuple((f"x-header-{name}", f"value-{number}-{name}") for name in range(12))
        assert account.take(overhead(dict(headers)) + len(body))
        pending.put(Sampled(key=f"id-{number}", method="POST", target="/", headers=headers, body=body, account=account))
    weight = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    show(
        f"a thousand queued requests of {size} bytes",
        ("", "bytes"),
        [("in memory", f"{weight:,}"), ("charged", f"{budget.held:,}")],
    )
    assert weight <= budget.held <= 3 * weight


def test_series_are_as_many_as_the_comparisons_allow() -> None:
    """The most that settings can ask for, without data counts: sixteen outputs, each with a histogram."""
    observer = Observer(SystemClock(), held_bytes=1)
    compare = [{"output": f"output-{number}"} for number in range(16)]
    observer.assign(
        ObserverSettings.model_validate(
            {
                "namespace": "payments",
                "deployment": "fraud",
                "live": {"revision": "1" * 10, "url": "http://live"},
                "candidate": {"revision": "2" * 10, "url": "http://candidate"},
                "observe": {"sideEffects": "None", "compare": compare},
            }
        )
    )
    told = generate_latest(observer.telemetry.registry)
    series = sum(len(family.samples) for family in text_string_to_metric_families(told.decode()))
    show("series of an observer with 16 outputs", ("series", "bytes"), [(series, len(told))])
    assert series <= 500


def test_the_middleware_costs_a_few_times_what_parsing_the_request_does() -> None:
    """Beside an application that reads its request as JSON and answers; both without a network."""
    body = tensors("inputs")
    reply = b'{"outputs": []}'

    async def application(
        _: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        event = await receive()
        json.loads(event["body"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": reply})

    observed = ObserveMiddleware(
        application,
        deployment="fraud",
        revision="1" * 10,
        contract=CONTRACT,
        reference=REFERENCE,
        protocol=Protocol.OPEN_INFERENCE,
        registry=CollectorRegistry(),
    )
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(_: MutableMapping[str, Any]) -> None:
        return None

    def asked(app: Any) -> Callable[[], None]:
        def ask() -> None:
            turn = app(scope, receive, send)
            with pytest.raises(StopIteration):
                turn.send(None)

        return ask

    parsing = seconds_a_turn(lambda: json.loads(body))
    bare, with_it = seconds_a_turn(asked(application)), seconds_a_turn(asked(observed))
    show(
        f"one request of {FEATURES} features",
        ("", "microseconds"),
        [
            ("the application alone", f"{bare * 1e6:.0f}"),
            ("with the middleware", f"{with_it * 1e6:.0f}"),
            ("json.loads of the request", f"{parsing * 1e6:.0f}"),
        ],
    )
    assert with_it - bare <= 8 * parsing
