"""Brings the cluster up from whatever state an earlier run, a kill or a reboot left behind."""

from __future__ import annotations

from cluster import addons, cache, engine, images, kind, lock, nodeimage, packages, rootfs, way
from cluster.progress import say
from cluster.settings import Settings

FIRST_SETUP_GIB = 20


def up(settings: Settings) -> None:
    """Every step looks first whether its result is there, so that running it again costs a second or two."""
    with lock.exclusive(settings.cache):
        cache.sweep(settings.cache)
        private = way.is_private(settings)
        if private:
            _engine(settings)
        kind.kubectl(settings)
        if not kind.running(settings):
            kind.create(settings, image=nodeimage.ensure(settings) if private else None)
        if not addons.current(settings):
            addons.install(settings, addons.Images.built(settings) if private else addons.Images.public())
        if private:
            for base in (rootfs.BASE, rootfs.PYTHON):
                images.ensure_base(settings, base)
    say("The cluster is up. Run commands in it with: python -m cluster exec -- COMMAND")


def _engine(settings: Settings) -> None:
    if not engine.running(settings):
        if not (settings.cache / "docker").exists():
            cache.require_space(settings.cache, gib=FIRST_SETUP_GIB)
        packages.install_tools()
    engine.start(settings)
