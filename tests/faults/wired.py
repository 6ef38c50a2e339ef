"""The whole process (`main.run`: Lease, kopf, client, hub, workers), an API server and a Prometheus on loopback."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Self

import kopf
import pytest

from modelrollout.adapters.kubernetes import LEASES, MODEL_DEPLOYMENTS, JsonObject
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.runtime import handlers, main, resync
from modelrollout.runtime.settings import parse
from tests.builders import NAME, NAMESPACE
from tests.faults.controllers import Controllers, cancelled
from tests.faults.fast_clock import FastClock
from tests.faults.server import ApiServer
from tests.faults.store import Store
from tests.faults.traffic import Traffic
from tests.faults.web_prometheus import WebPrometheus
from tests.faults.world import Watchdog, manifest

PATIENCE_SECONDS = 60.0
"""Real seconds after which something that should have happened is taken not to happen."""


class Wired:
    """Everything but the operator; `operator` starts one. A lease is renewed within 10 s, which are two real ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *, speed: float = 5.0) -> None:
        self.clock = FastClock(speed)
        self.store = Store(self.clock)
        self.traffic = Traffic(self.store, self.clock, requests_per_second=2000)
        self.controllers = Controllers(self.store, self.clock)
        self.watchdog = Watchdog(self.store, self.traffic)
        self.store.listeners.append(self.watchdog)
        self.api = ApiServer(self.store)
        self.prometheus = WebPrometheus(self.traffic)
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._tasks: list[asyncio.Task[None]] = []
        self._operators: list[asyncio.Task[int]] = []

    async def __aenter__(self) -> Self:
        await self.api.__aenter__()
        await self.prometheus.__aenter__()
        kubeconfig = self._folder / "kubeconfig"
        kubeconfig.write_text(self.api.kubeconfig())
        self._monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        self._monkeypatch.setattr(main, "SystemClock", lambda: self.clock)
        self._monkeypatch.setattr(main, "FIRST_LIST_PAUSE_SECONDS", 0.1)
        self._monkeypatch.setattr(resync, "PERIOD_SECONDS", 20.0)
        self._monkeypatch.setattr(handlers, "settings", _impatient(handlers.settings))
        self._tasks = [asyncio.create_task(self.controllers.run())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for operator in self._operators:
            operator.cancel()
        await asyncio.gather(*self._operators, return_exceptions=True)
        await cancelled(*self._tasks)
        await self.api.__aexit__()
        await self.prometheus.__aexit__()

    def operator(self, *arguments: str) -> "asyncio.Task[int]":
        """One more process that wants to lead."""
        identity = f"operator-{len(self._operators)}"
        given = ["--prometheus", self.prometheus.url, "--port", "0", "--identity", identity, "--lease-namespace", "ns"]
        running = asyncio.create_task(main.run(parse([*given, *arguments])))
        self._operators.append(running)
        return running

    def stop(self) -> None:
        """What kubelet sends to end a pod. It reaches the newest operator: they share this process."""
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL, "nobody listens: it would end the tests"
        os.kill(os.getpid(), signal.SIGTERM)

    def apply(self, spec: ModelDeploymentSpec, *, name: str = NAME) -> None:
        self.store.apply(MODEL_DEPLOYMENTS, manifest(spec, name=name), manager="people")

    def status(self, name: str = NAME) -> JsonObject:
        status: JsonObject = (self.store.find(MODEL_DEPLOYMENTS, NAMESPACE, name) or {}).get("status") or {}
        return status

    def holder(self) -> str:
        lease = self.store.find(LEASES, "ns", "modelrollout") or {"spec": {}}
        return str(lease["spec"].get("holderIdentity", ""))

    async def until(self, condition: Callable[[], bool]) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not condition():
            assert asyncio.get_running_loop().time() < end, f"the status is {self.status()}, the calls {self._last()}"
            for operator in self._operators:
                assert not operator.done() or operator.result() == 0, "the operator ended"
            await asyncio.sleep(0.02)
        self.watchdog.check()

    def _last(self) -> list[str]:
        return [str(call) for call in self.api.calls[-40:]]

    async def pause(self, seconds: float) -> None:
        """So much of the clock's time."""
        await self.clock.sleep(seconds)


def _impatient(original: Callable[[], kopf.OperatorSettings]) -> Callable[[], kopf.OperatorSettings]:
    """kopf's own pauses, which no clock can shorten, are a tenth of a second here."""

    def settings() -> kopf.OperatorSettings:
        chosen = original()
        chosen.networking.error_backoffs = [0.1] * 20
        return chosen

    return settings
