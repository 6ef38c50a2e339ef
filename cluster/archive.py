"""Writes container images as archives that both ``docker load`` and ``ctr images import`` read.

The images of a cluster are a program each, so no engine is needed to make them, and layers that several images share
are stored and imported once.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
EPOCH = "1970-01-01T00:00:00Z"
BLOCK_BYTES = 1 << 20
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Entry:
    """One path in a layer: a file with the content of another file or of bytes, a symbolic link, or a folder."""

    target: str
    source: Path | None = None
    content: bytes | None = None
    link: str | None = None
    mode: int = 0o755


@dataclass(frozen=True)
class Layer:
    """An uncompressed tar file and its digest: compressing costs more than it saves on one machine."""

    path: Path
    digest: str

    @classmethod
    def of(cls, path: Path) -> Layer:
        with path.open("rb") as stream:
            return cls(path=path, digest=hashlib.file_digest(stream, "sha256").hexdigest())

    @property
    def name(self) -> str:
        return f"{self.digest}/layer.tar"


@dataclass(frozen=True)
class Image:
    """Layers from the bottom up, and the run configuration in the OCI image format's own words."""

    tag: str
    layers: Sequence[Layer]
    config: Mapping[str, object] = field(default_factory=dict)


def layer(path: Path, entries: Iterable[Entry], *, trees: Mapping[str, Path] | None = None) -> Layer:
    """Writes a layer that holds the entries and, under the named targets, whole folders. Everything belongs to root."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            _add(tar, entry)
        for target, source in (trees or {}).items():
            tar.add(source, arcname=target.lstrip("/"))
    return Layer.of(path)


def write(path: Path, images: Sequence[Image]) -> None:
    """Writes the archive; a layer that several images share is in it once."""
    manifest, written = [], set()
    with tarfile.open(path, "w") as tar:
        for image in images:
            for part in image.layers:
                if part.digest not in written:
                    written.add(part.digest)
                    tar.add(part.path, arcname=part.name, filter=plain)
            config = _config(image)
            name = hashlib.sha256(config).hexdigest() + ".json"
            _add_bytes(tar, name, config)
            manifest.append({"Config": name, "RepoTags": [image.tag], "Layers": [part.name for part in image.layers]})
        _add_bytes(tar, "manifest.json", json.dumps(manifest).encode())


def _config(image: Image) -> bytes:
    content = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": EPOCH,
        "config": dict(image.config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{part.digest}" for part in image.layers]},
        "history": [{"created": EPOCH, "created_by": "modelrollout cluster"} for _ in image.layers],
    }
    return json.dumps(content, sort_keys=True).encode()


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.target.lstrip("/"))
    info.mode = entry.mode
    if entry.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    elif entry.content is not None:
        info.size = len(entry.content)
        tar.addfile(info, io.BytesIO(entry.content))
    elif entry.source is not None:
        info.size = entry.source.stat().st_size
        with entry.source.open("rb", buffering=BLOCK_BYTES) as stream:
            tar.addfile(info, stream)
    else:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without owner and time, and readable by all: the same content gives the same archive, whoever checked it out."""
    info.mode = info.mode & 0o755 | 0o644
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info
