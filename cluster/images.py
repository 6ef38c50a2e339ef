"""Builds images from ordinary Dockerfiles and hands them to the cluster's node.

A Dockerfile begins with ``ARG BASE`` and ``FROM ${BASE}``: the base is the public image, or one of ours where none
can be pulled. A build needs no network, because the Python packages of each ``requirements*.lock`` come along in the
context as ``wheels/``. An image is named by the digest of all that went into it, so an unchanged one is neither built
nor loaded again, and a changed one gets new pods.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cluster import archive, cache, engine, inside, lock, process, python_packages, rootfs, way
from cluster.archive import Image
from cluster.errors import ClusterError
from cluster.progress import step
from cluster.settings import Settings

REPOSITORY = "modelrollout"
DOCKERFILE = "Dockerfile"
LOCK_FILES = "requirements*.lock"
PUBLIC_BASES = {"python": "python:3.11-slim-bookworm", "debian": "debian:bookworm-slim"}
OWN_BASES = {"python": rootfs.PYTHON, "debian": rootfs.BASE}
# Also given to every image, the one that was asked for last, for manifests that are written by hand.
MOVING_TAG = "dev"
# On the node's disk: its /tmp is memory.
FILE_IN_NODE = "/var/cache/image.tar"


@dataclass(frozen=True)
class Context:
    """What is sent to the engine: the files of a folder, and wheels."""

    folder: Path
    wheels: tuple[Path, ...]

    def files(self) -> Iterator[tuple[str, Path]]:
        """Names within the context and the files behind them; hidden files and Python's caches stay out."""
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder)
            if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in name.parts):
                yield str(name), path
        wheels = {path.name: path for house in self.wheels for path in house.iterdir()}
        yield from ((f"wheels/{name}", path) for name, path in sorted(wheels.items()))

    def digest(self) -> str:
        """Wheels count by name: their folder's name is the digest of the lock file, which holds their hashes."""
        parts: list[str | Path] = []
        for name, path in self.files():
            parts += [name] if name.startswith("wheels/") else [name, path]
        return cache.digest(*parts)

    def send(self, stream: IO[bytes]) -> None:
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            for name, path in self.files():
                tar.add(path, arcname=name, filter=archive.plain)


def build(settings: Settings, name: str, folder: Path, *, base: str = "python", variant: str = "") -> str:
    """Builds ``modelrollout/NAME`` from a folder, loads it into the node, and returns its tag.

    A folder may have several images: that of a variant has its own ``VARIANT.Dockerfile`` and ``VARIANT.lock``.
    """
    recipe = f"{variant}.Dockerfile" if variant else DOCKERFILE
    if base not in PUBLIC_BASES:
        raise ClusterError(f"There is no base {base!r}: use one of {', '.join(PUBLIC_BASES)}.")
    if not (folder / recipe).is_file():
        raise ClusterError(f"{folder} has no {recipe}.")
    private = way.is_private(settings)
    if private and not engine.running(settings):
        with lock.exclusive(settings.cache):
            engine.start(settings)
    locks = sorted(folder.glob(f"{variant}.lock" if variant else LOCK_FILES))
    context = Context(folder, tuple(python_packages.wheelhouse(settings, lock) for lock in locks))
    parent = ensure_base(settings, OWN_BASES[base]) if private else PUBLIC_BASES[base]
    tag = f"{REPOSITORY}/{name}:{cache.digest(context.digest(), parent, recipe)}"
    if not _in_engine(settings, tag):
        with lock.exclusive(settings.cache), step(f"building the image {tag}"):
            _build(settings, tag, context, parent=parent, recipe=recipe)
            if private:
                engine.keep_only(settings, tag, also=(_moving(tag),))
    else:
        _docker(settings, "tag", tag, _moving(tag), what=f"Naming {tag}")
    if not in_node(settings, tag):
        with lock.exclusive(settings.cache), step(f"loading {tag} into the node"):
            _load(settings, tag)
    else:
        _ctr(settings, "tag", "--force", *(f"docker.io/{one}" for one in (tag, _moving(tag))), what=f"Naming {tag}")
    return tag


def ensure_base(settings: Settings, base: rootfs.Rootfs) -> str:
    """The tag of one of our own base images, which is in the private engine afterwards."""
    layer = rootfs.ensure(settings, base)
    tag = f"{REPOSITORY}/base-{base.name}:{layer.path.parent.name.rpartition('-')[2]}"
    if not _in_engine(settings, tag):
        with step(f"loading the base image {tag}"), cache.scratch(settings.cache) as scratch:
            config = {"Env": [archive.SEARCH_PATH, "LANG=C.UTF-8"], "Cmd": ["/bin/sh"]}
            archive.write(scratch / "base.tar", [Image(tag, [layer], config)])
            _docker(settings, "load", "--input", scratch / "base.tar", what="Loading a base image")
    return tag


def _build(settings: Settings, tag: str, context: Context, *, parent: str, recipe: str) -> None:
    options = (
        "--file",
        recipe,
        "--build-arg",
        f"BASE={parent}",
        "--tag",
        tag,
        "--tag",
        _moving(tag),
        "--force-rm",
        "-",
    )
    with cache.scratch(settings.cache) as scratch:
        with (scratch / "context.tar").open("wb") as stream:
            context.send(stream)
        with (scratch / "context.tar").open("rb") as stream:
            _docker(settings, "build", *options, what=f"Building {tag}", feed=stream)


def _load(settings: Settings, tag: str) -> None:
    """Copies the image to the node and imports it there; a pipe through ``docker exec`` would take twice as long."""
    with cache.scratch(settings.cache) as scratch:
        _docker(settings, "save", "--output", scratch / "image.tar", tag, _moving(tag), what=f"Exporting {tag}")
        import_into_node(settings, scratch / "image.tar", tag)


def import_into_node(settings: Settings, path: Path, tag: str) -> None:
    """The image of an archive, for pods of this node."""
    _docker(settings, "cp", path, f"{settings.node}:{FILE_IN_NODE}", what=f"Copying {tag}")
    try:
        _ctr(settings, "import", FILE_IN_NODE, what=f"Loading {tag} into the node")
    finally:
        _docker(settings, "exec", settings.node, "rm", "-f", FILE_IN_NODE, what="Removing the copy in the node")


def in_node(settings: Settings, tag: str) -> bool:
    """A node that does not answer is not there: the cluster is down, or was removed by hand."""
    try:
        return f"docker.io/{tag}" in _ctr(settings, "ls", "--quiet", what="Asking the node for its images").split()
    except ClusterError as error:
        raise ClusterError(
            f"{tag} is built, but there is no cluster to load it into: run python -m cluster up."
        ) from error


def _ctr(settings: Settings, *arguments: str, what: str) -> str:
    return _docker(settings, "exec", settings.node, "ctr", "--namespace=k8s.io", "images", *arguments, what=what)


def _moving(tag: str) -> str:
    return f"{tag.rpartition(':')[0]}:{MOVING_TAG}"


def _in_engine(settings: Settings, tag: str) -> bool:
    return process.succeeds(engine.docker(settings), "image", "inspect", tag, env=inside.environment(settings))


def _docker(settings: Settings, *arguments: str | Path, what: str, feed: IO[bytes] | None = None) -> str:
    return process.run(engine.docker(settings), *arguments, what=what, env=inside.environment(settings), feed=feed)
