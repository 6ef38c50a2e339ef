"""Removes what ``up`` made. The cache stays unless asked, because it holds no running thing and saves half an hour."""

from __future__ import annotations

import shutil

from cluster import engine, kind, lock, namespace, way
from cluster.progress import say, step
from cluster.settings import Settings


def down(settings: Settings, *, with_cache: bool) -> None:
    """Works from any half-made state, and a second time too."""
    with lock.exclusive(settings.cache):
        if way.recorded(settings) == way.DOCKER or engine.running(settings):
            with step("removing the kind cluster"):
                kind.delete(settings)
        engine.stop(settings)
        namespace.remove(settings)
        shutil.rmtree(settings.state, ignore_errors=True)
        if with_cache:
            with step(f"removing {settings.cache}"):
                shutil.rmtree(settings.cache)
    say("The cluster is gone." if with_cache else f"The cluster is gone; {settings.cache} keeps what is slow to make.")
