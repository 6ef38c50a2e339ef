"""The cluster's Alertmanager: alerts of our own, and silences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.e2e.forwarding import forwarded
from tests.e2e.monitoring import NAMESPACE


def send(alerts: Sequence[dict[str, str]]) -> None:
    """Alerts with these labels fire, from now for a few minutes."""
    now, end = datetime.now(UTC), datetime.now(UTC) + timedelta(minutes=3)
    body = [{"labels": labels, "startsAt": _text(now), "endsAt": _text(end)} for labels in alerts]
    _ask("POST", "alerts", json=body)


@contextmanager
def silenced(**labels: str) -> Iterator[None]:
    """Alerts with these labels are silenced inside."""
    now = datetime.now(UTC)
    matchers = [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in labels.items()]
    times = {"startsAt": _text(now), "endsAt": _text(now + timedelta(minutes=15))}
    made = _ask(
        "POST", "silences", json={"matchers": matchers, **times, "createdBy": "tests", "comment": "a test"}
    ).json()
    try:
        yield
    finally:
        _ask("DELETE", f"silence/{made['silenceID']}")


def known(namespace: str) -> list[dict[str, Any]]:
    """The alerts of a namespace, whatever their state, as Alertmanager has them."""
    found: list[dict[str, Any]] = _ask("GET", "alerts", params={"filter": f'namespace="{namespace}"'}).json()
    return found


def _ask(method: str, path: str, **request: Any) -> requests.Response:
    # The API server's own proxy does not take the bodies that Alertmanager takes.
    with forwarded("deployment/alertmanager", 9093, namespace=NAMESPACE) as port:
        answer = requests.request(method, f"http://127.0.0.1:{port}/api/v2/{path}", timeout=30, **request)
    answer.raise_for_status()
    return answer


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
