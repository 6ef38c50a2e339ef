"""Parts of the throw-away cluster's monitoring, taken away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from demo.kubectl import kubectl
from tests.e2e.waiting import until

NAMESPACE = "monitoring"


@contextmanager
def stopped(name: str) -> Iterator[None]:
    """The Deployment `name` has no pods inside, and is back afterwards, however it ends."""
    try:
        _scale(name, 0)
        until(f"no pod of {name} is left", lambda: _gone(name), namespace=NAMESPACE, every=0.5)
        yield
    finally:
        _scale(name, 1)
        kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=130)


def _scale(name: str, replicas: int) -> None:
    kubectl("-n", NAMESPACE, "scale", f"deployment/{name}", f"--replicas={replicas}")


def _gone(name: str) -> bool:
    return not kubectl("get", "pods", "-n", NAMESPACE, "-l", f"app={name}", "-o", "name").strip()
