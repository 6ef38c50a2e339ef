"""Runs programs where the cluster is reachable, with the cluster's own programs and credentials.

With a private engine that is its network namespace; with the person's engine it is simply here.
"""

from __future__ import annotations

import os
from pathlib import Path

from cluster import binaries, engine, namespace
from cluster.errors import ClusterError
from cluster.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make ``kubectl``, ``docker`` and client libraries find the cluster."""
    folders = [*binaries.folders(settings)]
    added = {"KUBECONFIG": str(settings.kubeconfig)}
    if engine.running(settings):
        folders += engine.program_folders(settings)
        # The old engine has no BuildKit, which newer clients use unless told not to.
        added |= {"DOCKER_HOST": engine.socket(settings), "DOCKER_BUILDKIT": "0"}
    return {**added, "PATH": os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])}


def command(settings: Settings, *words: str | Path) -> tuple[str | Path, ...]:
    """The command as it has to be started from here."""
    return (*namespace.enter(settings), *words) if engine.running(settings) else words


def execute(settings: Settings, words: list[str]) -> None:
    """Becomes the command, so that signals and its exit code are its own. Does not return."""
    if not settings.kubeconfig.exists():
        raise ClusterError("There is no cluster: make one with python -m cluster up.")
    os.environ.update(environment(settings))
    whole = [str(word) for word in command(settings, *words)]
    try:
        os.execvp(whole[0], whole)
    except FileNotFoundError as error:
        raise ClusterError(f"{whole[0]} is not installed.") from error
