"""The real observer on loopback, between a sender of copies and two model servers that do as the test says."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from modelrollout.adapters.clock import SystemClock
from modelrollout.observer.options import MIB, Options
from modelrollout.observer.program import Observer, Program
from modelrollout.observer.settings_file import SettingsFile

LIVE, CANDIDATE = "1" * 10, "2" * 10
INFER = "/v2/models/fraud/infer"
PATIENCE_SECONDS = 60.0

Json = dict[str, Any]
Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(**outputs: list[Any]) -> Json:
    kinds = {int: "INT64", float: "FP64", str: "BYTES"}
    return {
        "model_name": "fraud",
        "outputs": [
            {"name": name, "datatype": kinds[type(values[0])], "shape": [len(values)], "data": values}
            for name, values in outputs.items()
        ],
    }


def question(*values: float) -> bytes:
    tensor = {"name": "amount", "datatype": "FP64", "shape": [len(values)], "data": list(values)}
    return json.dumps({"inputs": [tensor]}).encode()


def saying(document: Json, status: int = 200) -> Behaviour:
    async def behave(_: web.Request) -> web.StreamResponse:
        return web.json_response(document, status=status)

    return behave


class Model:
    """A model server that remembers what it was asked."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked: list[tuple[dict[str, str], bytes]] = []
        app = web.Application(client_max_size=64 * MIB)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((headers, await request.read()))
        return await self.behaviour(request)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")


class ObserverWorld:
    """`observe` is what the settings say beside what every test needs; limits are those of `Program`."""

    def __init__(
        self,
        folder: Path,
        *,
        live: Behaviour,
        candidate: Behaviour | None,
        observe: Json | None = None,
        held_mib: int = 8,
        **limits: Any,
    ) -> None:
        self.live = Model(live)
        self.candidate = Model(candidate) if candidate else None
        self.observe: Json = {
            "sideEffects": "None",
            "protocol": "OpenInference",
            "sample": {"perSecond": 200},
            "noiseShare": 0,
            "timeout": "5s",
            **(observe or {}),
        }
        self._path = folder / "observer.json"
        self._options = Options(settings=self._path, host="127.0.0.1", metrics_port=0, held_bytes=held_mib * MIB)
        self._limits = limits

    async def __aenter__(self) -> Self:
        for model in (self.live, self.candidate):
            if model is not None:
                await model.server.start_server()
        self.write()
        self.file, clock = SettingsFile(self._path), SystemClock()
        self.observer = Observer(clock, held_bytes=self._options.held_bytes)
        settings = self.file.changed()
        assert settings is not None, self.file.problem
        self.observer.assign(settings)
        self.program = Program(self.observer, self.file, self._options, clock, port=0, **self._limits)
        await self.program.__aenter__()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self.program.__aexit__()
        for model in (self.live, self.candidate):
            if model is not None:
                await model.server.close()

    def write(self, **changes: Any) -> None:
        """The settings file, with these fields as they are said."""
        settings = {
            "namespace": "payments",
            "deployment": "fraud",
            "live": {"revision": LIVE, "url": self.live.url},
            "candidate": {"revision": CANDIDATE, "url": self.candidate.url} if self.candidate else None,
            "observe": self.observe,
            "port": 0,
            **changes,
        }
        self._path.write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))

    def read_again(self) -> None:
        settings = self.file.changed()
        assert settings is not None, self.file.problem
        self.observer.assign(settings)

    @property
    def port(self) -> int:
        return self.program.listener.port

    async def send(
        self,
        body: bytes | io.BytesIO | AsyncIterator[bytes] = b"",
        *,
        path: str = INFER,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> int:
        given = {"Content-Type": "application/json", **(headers or {})}
        async with self._session.request(
            method, f"http://127.0.0.1:{self.port}{path}", data=body, headers=given
        ) as response:
            return response.status

    async def page(self, path: str) -> str:
        async with self._session.get(f"http://127.0.0.1:{self.program.pages.port}{path}") as response:
            assert response.status == 200, await response.text()
            return await response.text()

    async def disagreements(self) -> list[Json]:
        found: list[Json] = json.loads(await self.page("/disagreements"))["disagreements"]
        return found

    def counts(self, name: str, *labels: str) -> Counter[Any]:
        """What is not zero of a counter or gauge of the observer, by these labels."""
        return self._told(f"modelrollout_observer_{name}", *labels)

    def data(self, name: str, *labels: str) -> Counter[Any]:
        """What is not zero of a count of data."""
        return self._told(f"modelrollout_data_{name}", *labels)

    def _told(self, name: str, *labels: str) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for family in text_string_to_metric_families(self.observer.telemetry.exposition().decode()):
            for sample in family.samples:
                if sample.name == name and sample.value:
                    key = tuple(sample.labels[label] for label in labels)
                    found[key[0] if len(key) == 1 else key] += int(sample.value)
        return found

    @property
    def requests(self) -> Counter[str]:
        return self.counts("requests_total", "what")

    async def settled(self, *, pairs: int = 0) -> None:
        """Until nothing is held any more and so many requests have been judged, in either way."""
        await self.until(lambda: self.observer.budget.held == 0 and self.judged >= pairs)

    async def until(self, condition: Callable[[], bool]) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not condition():
            assert asyncio.get_running_loop().time() < end, f"requests: {self.requests}, judged: {self.judged}"
            await asyncio.sleep(0.005)

    @property
    def judged(self) -> int:
        whole = sum(
            count for (output, _), count in self.counts("pairs_total", "output", "result").items() if not output
        )
        return whole + sum(self.counts("failed_pairs_total", "arm", "kind").values())
