"""Alertmanager's image, where it cannot be pulled: the program of Debian's package, and the C library that it wants.

It is no part of the node image, which takes minutes to make anew: it is loaded into the running node, in seconds.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cluster import archive, cache, images, packages
from cluster.archive import Entry, Image
from cluster.settings import Settings

PACKAGE = "prometheus-alertmanager"
LIBRARIES = ("libc6",)
PROGRAM = "/bin/alertmanager"
"""Where the public image has it as well."""

PUBLIC = "prom/alertmanager:v0.33.0"


def ensure(settings: Settings) -> str:
    """The tag of the image, which is in the node afterwards."""
    version = packages.candidate(PACKAGE)
    tag = f"{images.REPOSITORY}/alertmanager:{version.replace('+', '-')}-{cache.digest(Path(__file__))}"
    what = "unpacking Alertmanager from its Debian package"
    folder = cache.piece(settings.cache, "alertmanager", version, what=what, build=_unpack)
    if not images.in_node(settings, tag):
        with cache.scratch(settings.cache) as scratch:
            images.import_into_node(settings, _image(tag, folder, scratch), tag)
    return tag


def _unpack(into: Path) -> None:
    packages.unpack((PACKAGE, *LIBRARIES), into)
    for part in into.iterdir():
        if part.name not in ("usr", "lib", "lib64"):
            shutil.rmtree(part)


def _image(tag: str, folder: Path, scratch: Path) -> Path:
    program = Entry(PROGRAM, source=folder / "usr/bin/prometheus-alertmanager")
    # Debian's build reads the templates of its messages from a file, others have them inside.
    parts = ("lib", "lib64", "usr/share/prometheus")
    trees = {f"/{name}": folder / name for name in parts if (folder / name).is_dir()}
    layer = archive.layer(scratch / "layer.tar", [program, Entry("/tmp", mode=0o1777)], trees=trees)
    archive.write(scratch / "image.tar", [Image(tag, [layer], {"Entrypoint": [PROGRAM], "User": "65534:65534"})])
    return scratch / "image.tar"
