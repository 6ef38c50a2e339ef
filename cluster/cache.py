"""Keeps what is slow to make, keyed by name and version, and never takes a half-made piece for a whole one.

A piece is built in a folder beside its final place and renamed when it is complete: a rename within one file system
either happened or did not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import ClusterError
from cluster.progress import step

GIB = 1024**3
TEMPORARY_PREFIX = ".building-"


def piece(root: Path, name: str, version: str, *, what: str, build: Callable[[Path], None]) -> Path:
    """The folder ``root/name-version``, made by ``build(folder)`` if it is not there yet."""
    final = root / f"{name}-{version}"
    if final.is_dir():
        return final
    root.mkdir(parents=True, exist_ok=True)
    temporary = root / f"{TEMPORARY_PREFIX}{name}-{version}-{os.getpid()}"
    with step(what):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            build(temporary)
            _publish(temporary, final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return final


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A folder for the time of a block, on the cache's disk because ``/tmp`` may be small."""
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{TEMPORARY_PREFIX}scratch-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def digest(*parts: str | bytes | Path) -> str:
    """Eight hexadecimal digits for texts and for the contents of files; a folder counts with all its files' names."""
    total = hashlib.sha256()
    for part in parts:
        for block in _blocks(part):
            total.update(len(block).to_bytes(8, "big"))
            total.update(block)
    return total.hexdigest()[:8]


def _blocks(part: str | bytes | Path) -> list[bytes]:
    if isinstance(part, str):
        return [part.encode()]
    if isinstance(part, bytes):
        return [part]
    if part.is_file():
        return [part.read_bytes()]
    files = sorted(path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [block for path in files for block in (str(path.relative_to(part)).encode(), path.read_bytes())]


def _publish(temporary: Path, final: Path) -> None:
    """Renames, unless another process has made the same piece meanwhile."""
    try:
        temporary.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def sweep(root: Path) -> None:
    """Removes what interrupted builds left behind; builds that still go on are told by their process id."""
    for leftover in root.glob(f"{TEMPORARY_PREFIX}*"):
        owner = leftover.name.rpartition("-")[2]
        if not Path("/proc", owner).is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


def require_space(root: Path, *, gib: float) -> None:
    """One sentence instead of a build that dies half-way for want of room."""
    existing = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(existing).free / GIB
    if free < gib:
        raise ClusterError(
            f"{root} has {free:.1f} GiB free, but a first set-up needs {gib:.0f} GiB: "
            "free some, or set MODELROLLOUT_CACHE to a folder on a larger disk."
        )
