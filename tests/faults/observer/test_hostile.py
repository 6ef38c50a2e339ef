"""Whatever the observer is sent, and however it is answered, it holds no more than it may, and goes on afterwards.

Memory is counted as bytes of bodies held (the budget's peak), and once as what the kernel says of the whole process.
"""

import asyncio
import contextlib
import gzip
import io
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from modelrollout.observer.options import MIB
from modelrollout.observer.program import LONGEST_QUEUE
from tests.faults.observer.world import INFER, PATIENCE_SECONDS, ObserverWorld, answer, question, saying

AGREEING = answer(label=[1])
GOOD = saying(AGREEING)


class Senders:
    """Raw connections, which say what the test wants and then nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, said: bytes) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            writer.write(said)
            await writer.drain()
        return reader

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def senders(port: int) -> AsyncIterator[Senders]:
    opened = Senders(port)
    try:
        yield opened
    finally:
        opened.close()


def head(length: int | None, *more: str) -> bytes:
    size = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    lines = (f"POST {INFER} HTTP/1.1", "Host: x", "Content-Type: application/json", size, *more)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def still_works(world: ObserverWorld) -> None:
    """A connection may be refused while the kernel hands over the last of many others."""
    before = world.judged
    for _ in range(200):
        try:
            assert await world.send(question(1.0)) == 202
            break
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.01)
    await world.settled(pairs=before + 1)


async def test_bodies_of_50_mb(tmp_path: Path) -> None:
    """Half of them say how long they are, half do not."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(800):
            yield bytes(64 * 1024)

    async with ObserverWorld(tmp_path, live=GOOD, candidate=GOOD) as world:
        for body in (io.BytesIO(bytes(50 * MIB)), chunks(), io.BytesIO(bytes(50 * MIB)), chunks()):
            with contextlib.suppress(OSError):
                await world.send(body)
        await world.until(lambda: world.requests["unreadable"] == 4)
        assert world.counts("unreadable_total", "reason") == {"too long": 4}
        assert world.observer.budget.peak <= 4 * MIB
        assert world.live.asked == []
        await still_works(world)


async def test_more_bodies_at_once_than_there_is_room_for(tmp_path: Path) -> None:
    """All begin and none ends: those that find no room are let go, the others time out."""
    async with ObserverWorld(tmp_path, live=GOOD, candidate=GOOD, held_mib=2, body_seconds=0.5) as world:
        async with senders(world.port) as opened:
            await asyncio.gather(*(opened.open(head(MIB) + bytes(MIB // 4)) for _ in range(40)))
            await world.until(lambda: world.requests["dropped"] + world.requests["unreadable"] == 40)
            assert world.requests["dropped"] > 0
            assert world.observer.budget.peak <= 2 * MIB
        await still_works(world)


@pytest.mark.parametrize(
    "said",
    [b"", b"POST ", head(100)[:-2], head(1000, "x-request-id: a") + b"{"],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_a_thousand_connections_that_say_no_more(tmp_path: Path, said: bytes) -> None:
    async with ObserverWorld(
        tmp_path, live=GOOD, candidate=GOOD, most_connections=200, first_request_seconds=1.0, body_seconds=1.0
    ) as world:
        async with senders(world.port) as opened:
            await asyncio.gather(*(opened.open(said) for _ in range(1000)))
            assert world.program.listener.connections <= 200
            assert world.requests["dropped"] > 0
            assert world.observer.budget.peak <= MIB
            await world.until(lambda: world.program.listener.connections == 0)
        await still_works(world)


@pytest.mark.parametrize(
    "said",
    [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST " + b"/" * 100_000,
        head(5)[:-2] + b"".join(b"x-%d: %s\r\n" % (number, b"y" * 8000) for number in range(200)),
        head(None) + b"zz\r\n",
        head(None) + b"ffffffffffffffff\r\n",
        head(10) + b"0123456789" * 10_000,
    ],
)
async def test_what_is_no_http(tmp_path: Path, said: bytes) -> None:
    async with ObserverWorld(tmp_path, live=GOOD, candidate=GOOD, body_seconds=0.5) as world:
        async with senders(world.port) as opened:
            reader = await opened.open(said)
            with contextlib.suppress(ConnectionError):
                assert len(await reader.read()) < 64 * 1024
        assert world.observer.budget.peak <= MIB
        await still_works(world)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 500_000, b'{"inputs": ' + b"[0," * 100_000, b"null", b"\xff\xfe", b'"' + b"a" * 900_000],
)
async def test_bodies_that_are_no_request_are_sent_as_they_are(tmp_path: Path, body: bytes) -> None:
    """That is the model's to judge: what it refuses is a failed pair, and what both take is compared."""
    refusing = saying({"error": "malformed"}, status=400)
    async with ObserverWorld(tmp_path, live=refusing, candidate=saying({"error": "crash"}, status=500)) as world:
        await world.send(body)
        await world.settled(pairs=1)
        assert world.counts("failed_pairs_total", "arm", "kind") == {("both", "status"): 1}
        assert [asked for _, asked in world.live.asked] == [body]


async def test_a_request_that_unpacks_to_a_gigabyte(tmp_path: Path) -> None:
    """It is sent on as it came, and an example says that it cannot be shown."""
    bomb = gzip.compress(bytes(200 * MIB))
    other = saying(answer(label=[0]))
    async with ObserverWorld(tmp_path, live=GOOD, candidate=other) as world:
        for model in (world.live, world.candidate):
            assert model is not None
            model.server.app.freeze()
        await world.send(bomb, headers={"content-encoding": "gzip"})
        await world.settled()
        assert world.observer.budget.peak <= 2 * MIB


@pytest.mark.parametrize("packed", [False, True])
async def test_answers_without_end(tmp_path: Path, packed: bool) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/json", **({"Content-Encoding": "gzip"} if packed else {})}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        part = gzip.compress(bytes(100 * MIB)) if packed else bytes(64 * 1024)
        with contextlib.suppress(ConnectionError):
            for _ in range(1 if packed else 1000):
                await response.write(part)
        return response

    async with ObserverWorld(tmp_path, live=GOOD, candidate=endless) as world:
        for number in range(3):
            await world.send(question(number))
        await world.settled(pairs=3)
        assert world.counts("failed_pairs_total", "arm", "kind") == {("candidate", "unreadable"): 3}
        assert world.observer.budget.peak <= 4 * MIB


@pytest.mark.parametrize(
    "document",
    [
        {"outputs": [{"name": "label", "datatype": "INT64", "shape": [1, 10**12], "data": [1]}]},
        {"outputs": [{"name": "label", "datatype": "INT64", "shape": [2], "data": [1]}]},
        {"outputs": [{"name": "label", "datatype": "INT64", "shape": "x", "data": [1]}]},
        {"outputs": {"label": 1}},
        [],
        {"outputs": [[[[[]]]]]},
    ],
)
async def test_answers_of_wrong_shapes(tmp_path: Path, document: object) -> None:
    async def wrong(_: web.Request) -> web.StreamResponse:
        return web.Response(text=json.dumps(document), content_type="application/json")

    async with ObserverWorld(tmp_path, live=GOOD, candidate=wrong) as world:
        await world.send(question(1.0))
        await world.settled(pairs=1)
        assert world.counts("failed_pairs_total", "arm", "kind") == {("candidate", "unreadable"): 1}


async def test_outputs_with_ever_new_names_make_no_ever_new_series(tmp_path: Path) -> None:
    turns = iter(range(10_000))

    async def renaming(_: web.Request) -> web.StreamResponse:
        return web.json_response(answer(**{f"output-{next(turns)}": [1]}))

    async with ObserverWorld(tmp_path, live=renaming, candidate=renaming) as world:
        for number in range(40):
            await world.send(question(number))
        await world.settled(pairs=40)
        outputs = world.counts("pairs_total", "output")
        assert len(outputs) <= 18
        assert outputs["(other)"] > 0
        assert len(await world.page("/disagreements")) < 100_000


async def test_versions_that_never_answer_fill_no_memory_and_are_left_alone(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        await ended.wait()
        return web.Response()

    observe = {"timeout": "300ms", "sample": {"perSecond": 200}}
    async with ObserverWorld(tmp_path, live=GOOD, candidate=never, held_mib=1, observe=observe) as world:
        body = question(*range(5000))
        for _ in range(150):
            await world.send(body)
        await world.settled(pairs=1)
        assert world.observer.budget.peak <= MIB
        assert world.counts("pauses_total", "arm") == {"candidate": 1}
        asked = len(world.live.asked)
        for _ in range(20):
            await world.send(body)
        assert world.requests["paused"] >= 20
        assert len(world.live.asked) == asked
        ended.set()


async def test_the_oldest_make_way(tmp_path: Path) -> None:
    """Of requests that wait for an answer that does not come, the newest are kept."""
    ended = asyncio.Event()

    async def waiting(_: web.Request) -> web.StreamResponse:
        await ended.wait()
        return web.json_response(AGREEING)

    observe = {"sample": {"perSecond": 200}}
    async with ObserverWorld(tmp_path, live=waiting, candidate=waiting, held_mib=1, observe=observe) as world:
        sent = [question(float(number), *range(5000)) for number in range(80)]
        for body in sent:
            await world.send(body)
        await world.until(lambda: world.requests["dropped"] > 0)
        ended.set()
        await world.settled(pairs=1)
        bodies = [body for _, body in world.live.asked]
        assert bodies[-1] == sent[-1]
        assert len(bodies) == world.requests["sampled"] - world.requests["dropped"] < len(sent)
        assert len(bodies) <= LONGEST_QUEUE


async def test_the_whole_process_under_all_of_it_at_once(tmp_path: Path) -> None:
    """The program as its image runs it; the kernel says what it needed at most."""
    async with ObserverWorld(tmp_path, live=GOOD, candidate=saying(answer(label=[0]))) as world:
        world.write(port=_free_port())
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "modelrollout.observer", "--settings", tmp_path / "observer.json",
            "--host", "127.0.0.1", "--metrics-port", "0", "--held-mib", "16",
            env={**os.environ, "PYTHONPATH": "operator"}, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        port = json.loads((tmp_path / "observer.json").read_text())["port"]
        try:
            await _listening(port)
            idle = _peak_bytes(program.pid)
            async with senders(port) as opened:
                hostile = [
                    *(opened.open(head(50 * MIB) + bytes(MIB)) for _ in range(50)),
                    *(opened.open(head(None) + b"fffff\r\n" + bytes(0xFFFFF)) for _ in range(100)),
                    *(opened.open(head(900_000) + bytes(800_000)) for _ in range(200)),
                    *(opened.open(head(10)) for _ in range(300)),
                    *(opened.open(b"POST /") for _ in range(300)),
                ]
                await asyncio.gather(*hostile, return_exceptions=True)
            bomb = gzip.compress(bytes(50 * MIB))
            async with senders(port) as opened:
                await opened.open(head(len(bomb), "Content-Encoding: gzip") + bomb)
                # What waits makes way for what arrives, and connections that are dead already may still arrive.
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not world.live.asked:
                        reader = await opened.open(head(len(question(1.0)), "Connection: close") + question(1.0))
                        assert b" 202 " in await reader.readline()
                        await asyncio.sleep(0.1)
            assert _peak_bytes(program.pid) - idle <= 80 * MIB
        finally:
            program.terminate()
        assert await program.wait() == 0, (await program.stderr.read()).decode() if program.stderr else ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _peak_bytes(pid: int) -> int:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


async def _listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
