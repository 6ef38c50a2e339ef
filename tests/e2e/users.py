"""Users: requests at a steady rate, and what came back. Through the gateway from here, or from a pod in the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from demo.kubectl import apply, kubectl
from demo.load import Load, LoadSettings
from tests.e2e.manifests import NAME, hostname, manifest
from tests.e2e.waiting import until

DEMO = Path(__file__).resolve().parents[2] / "demo"
MODEL = "biopsy"
RATE = 40.0
MOST_SECONDS = 480.0
TIMEOUT_SECONDS = 30.0
"""Patient users: on a busy machine an answer may be late, which is no failure of a rollout."""


@dataclass(frozen=True)
class Seen:
    """What users have seen so far."""

    ok: int
    failed: int
    by_version: Mapping[str, int]

    def __sub__(self, earlier: Seen) -> Seen:
        versions = {name: count - earlier.by_version.get(name, 0) for name, count in self.by_version.items()}
        return Seen(self.ok - earlier.ok, self.failed - earlier.failed, versions)


class Users(Protocol):
    def seen(self) -> Seen: ...

    def what_failed(self) -> str: ...

    def stop(self) -> None: ...


class AtTheGateway:
    """Users outside the cluster. They send `rows` one after the other, or the held-out ones."""

    def __init__(
        self, *, gateway: str, namespace: str, name: str, rate: float, rows: Sequence[Sequence[float]] | None = None
    ) -> None:
        host = hostname(namespace, name)
        _wait_for_route(gateway, namespace=namespace, host=host)
        settings = LoadSettings(
            url=gateway,
            host=host,
            model=MODEL,
            rate=rate,
            seconds=MOST_SECONDS,
            timeout=TIMEOUT_SECONDS,
            in_order=rows is not None,
        )
        self._load = Load(settings, rows)
        self._load.start()

    def seen(self) -> Seen:
        counts = self._load.snapshot()
        return Seen(counts.ok, counts.failed, counts.answered_by)

    def what_failed(self) -> str:
        return "; ".join(f"{failure.at} {failure.outcome}" for failure in self._load.failures()[:20])

    def stop(self) -> None:
        self._load.stop()


def _wait_for_route(gateway: str, *, namespace: str, host: str) -> None:
    """What the gateway answers before it knows the route is no failure of a model."""

    def served() -> bool:
        probe = Load(LoadSettings(url=gateway, host=host, model=MODEL, rate=20, seconds=0.5))
        probe.start()
        counts = probe.wait()
        return counts.ok == counts.sent

    until(f"the gateway serves {host}", served, namespace=namespace, every=0.3)


class InTheCluster:
    """Users in a pod, for a model behind a Service: the same load generator, with a new connection for each request.

    A Service chooses a pod for each connection, so a client that keeps its connections sees one pod only.
    """

    POD = "users"

    def __init__(self, *, namespace: str, name: str, rate: float) -> None:
        self._namespace = namespace
        self._name = name
        files = ("__init__.py", "counts.py", "load.py", "server/heldout.json")
        keys = {file: file.replace("/", "-") for file in files}
        self._apply("ConfigMap", self.POD, {"data": {key: (DEMO / file).read_text() for file, key in keys.items()}})
        items = [{"key": key, "path": f"demo/{file}"} for file, key in keys.items()]
        self._apply("Pod", self.POD, {"spec": _pod_spec(items, service=f"{name}.{namespace}", port=8080, rate=rate)})
        kubectl("wait", "--for=condition=Ready", f"pod/{self.POD}", "-n", namespace, "--timeout=60s", timeout=70)
        until("users get answers", lambda: self._counts()["ok"] > 0, namespace=namespace, every=0.5)

    def seen(self) -> Seen:
        counts = self._counts()
        return Seen(counts["ok"], counts["failed"], counts["answered_by"])

    def what_failed(self) -> str:
        return json.dumps(self._counts())

    def stop(self) -> None:
        kubectl("delete", "pod", self.POD, "-n", self._namespace, "--ignore-not-found", "--wait=false")

    def _counts(self) -> dict[str, Any]:
        last = kubectl("logs", self.POD, "-n", self._namespace, "--tail=1").strip()
        counts: dict[str, Any] = json.loads(last) if last else {"ok": 0, "failed": 0, "answered_by": {}}
        return counts

    def _apply(self, kind: str, name: str, rest: dict[str, Any]) -> None:
        apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": self._namespace}, **rest})


_SCRIPT = """
import time, aiohttp
from demo.counts import as_json
from demo.load import Load, LoadSettings

class Fresh(Load):
    def _session(self):
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout),
            headers={{"Content-Type": "application/json"}},
        )

load = Fresh(LoadSettings(
    url="http://{service}:{port}", host="{service}", model="{model}", rate={rate}, seconds={seconds},
    allow_hosts=("{service}",), timeout={timeout},
))
load.start()
while load.running:
    print(as_json(load.snapshot()), flush=True)
    time.sleep(0.5)
"""


def _pod_spec(items: list[dict[str, str]], *, service: str, port: int, rate: float) -> dict[str, Any]:
    pod = manifest("v1", name=NAME)["spec"]["serving"]["template"]["spec"]
    server = pod["containers"][0]
    script = _SCRIPT.format(
        service=service, port=port, model=MODEL, rate=rate, seconds=MOST_SECONDS, timeout=TIMEOUT_SECONDS
    )
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "securityContext": pod["securityContext"],
        "containers": [
            {
                "name": "users",
                "image": server["image"],
                "imagePullPolicy": "IfNotPresent",
                "command": ["python3", "-c", script],
                "workingDir": "/users",
                "securityContext": server["securityContext"],
                "volumeMounts": [{"name": "demo", "mountPath": "/users"}],
            }
        ],
        "volumes": [{"name": "demo", "configMap": {"name": InTheCluster.POD, "items": items}}],
    }
