"""The cluster's Alertmanager: alerts of our own, silences, and the operator's ear closed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.kubectl import kubectl
from tests.e2e import installed
from tests.e2e.waiting import until

_API = "/api/v1/namespaces/monitoring/services/alertmanager:9093/proxy/api/v2"


def send(alerts: Sequence[dict[str, str]]) -> None:
    """Alerts with these labels fire, from now for a few minutes."""
    now, end = datetime.now(UTC), datetime.now(UTC) + timedelta(minutes=3)
    body = [{"labels": labels, "startsAt": _text(now), "endsAt": _text(end)} for labels in alerts]
    kubectl("create", "--raw", f"{_API}/alerts", "-f", "-", feed=json.dumps(body), timeout=60)


@contextmanager
def silenced(**labels: str) -> Iterator[None]:
    """Alerts with these labels are silenced inside."""
    now = datetime.now(UTC)
    matchers = [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in labels.items()]
    body = {
        "matchers": matchers,
        "startsAt": _text(now),
        "endsAt": _text(now + timedelta(minutes=15)),
        "createdBy": "tests",
        "comment": "a test",
    }
    made = json.loads(kubectl("create", "--raw", f"{_API}/silences", "-f", "-", feed=json.dumps(body)))
    try:
        yield
    finally:
        kubectl("delete", "--raw", f"{_API}/silence/{made['silenceID']}")


def known(namespace: str) -> list[dict[str, Any]]:
    """The alerts of a namespace, whatever their state, as Alertmanager has them."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", "--raw", f"{_API}/alerts?filter=namespace%3D{namespace}"))
    return found


@contextmanager
def deaf_operator() -> Iterator[None]:
    """Nobody reaches the operator with an alert inside."""
    metrics_only = json.dumps({"spec": {"ports": [{"name": "http", "port": 8080, "targetPort": "http"}]}})
    kubectl("-n", installed.NAMESPACE, "patch", "service", "modelrollout", "--type=merge", "-p", metrics_only)
    try:
        until("the port is gone", _is_closed, namespace=installed.NAMESPACE, every=0.5)
        yield
    finally:
        installed.install()


def _is_closed() -> bool:
    slices = kubectl(
        *("get", "endpointslices", "-n", installed.NAMESPACE, "-l", "kubernetes.io/service-name=modelrollout"),
        *("-o", "jsonpath={.items[*].ports[*].port}"),
    )
    return "8081" not in slices


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
