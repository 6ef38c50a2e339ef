"""Prometheus: what every pod really served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import requests

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
