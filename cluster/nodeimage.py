"""Builds the image of a kind node, where kind's own cannot be pulled: Debian, Kubernetes and the images that it runs.

The images are put into the node's containerd at build time, so that a new cluster waits for no import.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cluster import archive, binaries, cache, components, engine, process, rootfs
from cluster.archive import Entry, Image, Layer
from cluster.progress import step
from cluster.settings import SOURCE, Settings

NODE = SOURCE / "node"
REPOSITORY = "modelrollout/node"
CONTAINERD_SECONDS = 30.0
SERVICES = ("containerd", "kubelet")


def ensure(settings: Settings) -> str:
    """The tag of the node image, which is in the private engine afterwards."""
    wanted = components.all_of(settings)
    base, debian = rootfs.ensure(settings, rootfs.NODE), rootfs.ensure(settings, rootfs.BASE)
    parts: list[str | Path] = [
        *(f"{part.tag} {part.program}" for part in wanted),
        base.digest,
        debian.digest,
        NODE,
        Path(__file__),
        Path(archive.__file__),
    ]
    version = f"v{binaries.version(binaries.KUBERNETES)}"
    tag = f"{REPOSITORY}:{version}-{cache.digest(*parts)}"
    client = (engine.docker(settings), "--host", engine.socket(settings))
    if process.succeeds(*client, "image", "inspect", tag):
        return tag
    cache.require_space(settings.cache, gib=6)
    with step("building the node image"), cache.scratch(settings.cache) as folder:
        images = _preload(settings, components.write(wanted, debian=debian, into=folder), folder)
        programs = archive.layer(folder / "programs.tar", _entries(settings, version=version))
        config = {
            "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
            "Env": ["container=docker", archive.SEARCH_PATH],
            "StopSignal": "SIGRTMIN+3",
        }
        archive.write(folder / "node.tar", [Image(tag, [base, programs, images], config)])
        process.run(*client, "load", "--input", folder / "node.tar", what="Loading the node image")
        engine.keep_only(settings, tag)
    return tag


def _entries(settings: Settings, *, version: str) -> list[Entry]:
    programs = binaries.ensure(settings, "kubelet", "kubeadm", "kubectl")
    containerd = (NODE / "containerd.toml").read_text().replace("@PAUSE@", binaries.PAUSE_VERSION)
    wants = "/etc/systemd/system/multi-user.target.wants"
    return [
        *(Entry(f"/usr/bin/{name}", source=path) for name, path in programs.items()),
        *(Entry(f"/usr/local/bin/{name}", source=NODE / name) for name in ("entrypoint", "prepare-kubelet")),
        *(
            Entry(f"/etc/systemd/system/{name}.service", source=NODE / f"{name}.service", mode=0o644)
            for name in SERVICES
        ),
        *(Entry(f"{wants}/{name}.service", link=f"/etc/systemd/system/{name}.service") for name in SERVICES),
        Entry("/etc/containerd/config.toml", content=containerd.encode(), mode=0o644),
        Entry("/etc/containerd/base.json", content=_container_defaults(settings), mode=0o644),
        Entry("/etc/cni/net.d/10-pods.conflist", source=NODE / "cni.conflist", mode=0o644),
        Entry("/etc/kubernetes/manifests"),
        Entry("/kind/version", content=version.encode(), mode=0o644),
        Entry("/kind/manifests/default-storage.yaml", source=NODE / "default-storage.yaml", mode=0o644),
    ]


def _container_defaults(settings: Settings) -> bytes:
    """containerd's own container settings without limits, so that they are those of the node."""
    ctr = engine.folder(settings) / "usr/bin/ctr"
    content = json.loads(process.run(ctr, "oci", "spec", what="Reading containerd's container settings"))
    content["process"].pop("rlimits", None)
    return json.dumps(content).encode()


def _preload(settings: Settings, images: Path, folder: Path) -> Layer:
    """Imports images into a containerd of its own, and makes a layer of that one's data folder."""
    programs = engine.folder(settings) / "usr/bin"
    root, socket, config = folder / "containerd", folder / "containerd.sock", folder / "containerd.toml"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    command = (
        programs / "containerd",
        "--config",
        config,
        "--root",
        root,
        "--state",
        folder / "state",
        "--address",
        socket,
    )
    child = process.start(command, log=folder / "containerd.log")
    try:
        ctr = (programs / "ctr", "--address", socket, "--namespace", "k8s.io")
        ready: list[str | Path] = [*ctr, "version"]
        process.wait_for(
            lambda: process.succeeds(*ready),
            what="The start of a containerd that imports images",
            seconds=CONTAINERD_SECONDS,
        )
        process.run(*ctr, "images", "import", "--no-unpack", images, what="Importing the images of the node")
    finally:
        child.terminate()
        child.wait()
    for socket_file in root.rglob("*.sock*"):
        socket_file.unlink()
    made = archive.layer(folder / "images.tar", [], trees={"/var/lib/containerd": root})
    shutil.rmtree(root)
    images.unlink()
    return made
