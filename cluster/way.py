"""Chooses between the two ways to a cluster, and remembers the choice for as long as the cluster lives.

The person's Docker engine with public images where it works and an image registry answers; otherwise a private engine
and images made from Debian packages, Go modules and Python wheels. The two differ in the engine, in the node image
and in where the add-ons' images come from, and in nothing else. Only the second one is exercised by this project's
CI.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cluster import process
from cluster.errors import ClusterError
from cluster.progress import step
from cluster.settings import Settings

VARIABLE = "MODELROLLOUT_ENGINE"
DOCKER, PRIVATE = "docker", "private"
# The default node image of the kind release in go.mod.
PUBLIC_NODE_IMAGE = "kindest/node:v1.37.0"
PULL_SECONDS = 900.0


def is_private(settings: Settings) -> bool:
    """The way in use, or the one that this machine allows."""
    chosen = recorded(settings) or os.environ.get(VARIABLE) or _look()
    if chosen not in (DOCKER, PRIVATE):
        raise ClusterError(f"{VARIABLE} is {chosen!r}, but must be {DOCKER!r} or {PRIVATE!r}.")
    if chosen == PRIVATE:
        _require_root()
    settings.state.mkdir(parents=True, exist_ok=True)
    _file(settings).write_text(chosen)
    return chosen == PRIVATE


def recorded(settings: Settings) -> str | None:
    path = _file(settings)
    return path.read_text() if path.exists() else None


def _file(settings: Settings) -> Path:
    return settings.state / "way"


def _look() -> str:
    if not process.succeeds("docker", "info"):
        return PRIVATE
    if process.succeeds("docker", "image", "inspect", PUBLIC_NODE_IMAGE):
        return DOCKER
    with step(f"pulling {PUBLIC_NODE_IMAGE}"):
        pulled = process.succeeds("docker", "pull", "--quiet", PUBLIC_NODE_IMAGE, timeout=PULL_SECONDS)
    return DOCKER if pulled else PRIVATE


def _require_root() -> None:
    if sys.platform != "linux":
        raise ClusterError("No working Docker engine with access to an image registry: install Docker and start it.")
    if os.geteuid() != 0:
        raise ClusterError(
            "There is no working Docker engine that reaches an image registry, and one of our own needs root: "
            "install and start Docker, or run this command as root."
        )
