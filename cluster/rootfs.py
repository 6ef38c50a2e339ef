"""Debian file systems that stand in for public base images where no image registry is reached.

Each is one tar file made by mmdebstrap from Debian's archive: the layer that our images begin with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cluster import cache
from cluster.archive import Layer
from cluster.process import run
from cluster.settings import Settings

SUITE = "bookworm"
# Documentation and translations, which no container shows to anybody; licences are kept.
EXCLUDED = (
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*/*",
    "/usr/share/lintian/*",
)
USER_ID = 65532


@dataclass(frozen=True)
class Rootfs:
    """A minimal Debian with some packages, and shell commands that finish it (``$1`` is its root)."""

    name: str
    packages: tuple[str, ...]
    hooks: tuple[str, ...] = ()


ADD_USER = f'chroot "$1" useradd --uid {USER_ID} --user-group --create-home nonroot'
BASE = Rootfs(
    name="debian",
    # kube-proxy programs the kernel through iptables and kmod; the gateway and Prometheus need only the C library.
    packages=("ca-certificates", "conntrack", "iptables", "kmod"),
    hooks=(ADD_USER,),
)
PYTHON = Rootfs(
    name="python",
    packages=("ca-certificates", "libgomp1", "python-is-python3", "python3", "python3-pip"),
    hooks=(
        ADD_USER,
        # The public Python images let pip install for the whole system; the same Dockerfile has to work here.
        'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    ),
)
NODE = Rootfs(
    name="node",
    packages=(
        *("systemd", "systemd-sysv", "dbus", "containerd", "runc", "containernetworking-plugins", "ca-certificates"),
        *("iptables", "nftables", "conntrack", "iproute2", "ethtool", "socat", "kmod", "procps", "mount", "util-linux"),
    ),
    hooks=(
        'mkdir -p "$1/opt/cni/bin" && cp "$1"/usr/lib/cni/* "$1/opt/cni/bin/"',
        # A container has no disks to check, no clock to set and no console to log in at.
        'rm -f "$1"/etc/systemd/system/*.wants/* "$1"/lib/systemd/system/multi-user.target.wants/*',
        'rm -f "$1"/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service',
        'rm -f "$1"/lib/systemd/system/sockets.target.wants/*udev*',
        'chroot "$1" systemctl mask systemd-udevd.service systemd-logind.service getty.target systemd-binfmt.service',
    ),
)


def ensure(settings: Settings, wanted: Rootfs) -> Layer:
    """The tar file of a file system, as a layer."""
    version = f"{SUITE}-{cache.digest(*wanted.packages, *wanted.hooks, *EXCLUDED)}"
    folder = cache.piece(
        settings.cache,
        f"rootfs-{wanted.name}",
        version,
        what=f"making the {wanted.name} file system from Debian packages",
        build=lambda into: _build(wanted, into),
    )
    return Layer.of(folder / "layer.tar")


def _build(wanted: Rootfs, into: Path) -> None:
    cache.require_space(into, gib=4)
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(wanted.packages)}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *(f"--customize-hook={hook}" for hook in wanted.hooks),
        SUITE,
        into / "layer.tar",
        what=f"Making the {wanted.name} file system",
        env={"TMPDIR": str(into)},
    )
