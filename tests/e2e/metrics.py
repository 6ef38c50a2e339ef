"""Prometheus: what every pod really served, and Prometheus itself taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import requests

from demo.kubectl import kubectl
from tests.e2e.waiting import until

NAMESPACE = "monitoring"
_INFER = 'rest_server_requests_total{{namespace="{namespace}",pod=~"{pods}.*",path=~".+/infer"}}'


@dataclass(frozen=True)
class Served:
    """Requests of all pods of one revision."""

    requests: float
    bad: float


def served(prometheus: str, *, namespace: str, pods: str, at: datetime) -> Served:
    """Cumulative counters at a time, over all pods whose names begin with `pods`."""
    query = f"sum by (status_code) ({_INFER.format(namespace=namespace, pods=pods)})"
    answer = requests.get(
        f"{prometheus}/api/v1/query", params={"query": query, "time": f"{at.timestamp():.3f}"}, timeout=10
    )
    answer.raise_for_status()
    by_code = {one["metric"]["status_code"]: float(one["value"][1]) for one in answer.json()["data"]["result"]}
    bad = sum(value for code, value in by_code.items() if code.startswith("5"))
    return Served(requests=sum(by_code.values()), bad=bad)


@contextmanager
def stopped() -> Iterator[None]:
    """Prometheus is away inside, and back afterwards, however it ends."""
    try:
        _scale(0)
        until("no pod of Prometheus is left", _gone, namespace=NAMESPACE, every=0.5)
        yield
    finally:
        _scale(1)
        kubectl("-n", NAMESPACE, "rollout", "status", "deployment/prometheus", "--timeout=120s", timeout=130)


def _scale(replicas: int) -> None:
    kubectl("-n", NAMESPACE, "scale", "deployment/prometheus", f"--replicas={replicas}")


def _gone() -> bool:
    return not kubectl("get", "pods", "-n", NAMESPACE, "-l", "app=prometheus", "-o", "name").strip()
