"""Says what runs and where, and by its exit code whether all of it does."""

from __future__ import annotations

from cluster import addons, engine, kind, namespace, way
from cluster.settings import Settings


def status(settings: Settings) -> tuple[str, bool]:
    """Lines for a person, and whether the cluster is usable."""
    chosen = way.recorded(settings)
    api = kind.running(settings)
    ready = api and addons.ready(settings)
    lines = [
        (
            "cluster",
            f"{settings.name}: {'up' if ready else 'API up, gateway or Prometheus not ready' if api else 'down'}",
        ),
        ("engine", _engine(settings, chosen)),
        ("kubeconfig", str(settings.kubeconfig) if settings.kubeconfig.exists() else "none"),
        ("gateway", f"http://127.0.0.1:{settings.gateway_port}"),
        ("prometheus", f"http://127.0.0.1:{settings.prometheus_port}"),
        ("cache", str(settings.cache)),
    ]
    return "\n".join(f"{name:<12}{value}" for name, value in lines), ready


def _engine(settings: Settings, chosen: str | None) -> str:
    if chosen is None:
        return "none yet"
    if chosen == way.DOCKER:
        return "this machine's Docker"
    if not engine.running(settings):
        return "private, stopped"
    return f"private, {engine.socket(settings)}, in the network namespace {namespace_name(settings)}"


def namespace_name(settings: Settings) -> str:
    return settings.name if namespace.exists(settings) else f"{settings.name} (missing)"
