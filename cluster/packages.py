"""Installs and unpacks Debian packages, on machines that have no engine of their own.

The engine is unpacked into the cache instead of installed: nothing of it is started by an init script, nothing of it
stays on the machine after ``down --cache``, and an engine that the person installs later meets no rival.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from cluster.errors import ClusterError
from cluster.process import require, run, succeeds
from cluster.progress import step

ENGINE = ("docker.io", "containerd", "runc", "tini")
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}

# What the set-up calls by name, and the libraries that the unpacked engine links to.
TOOLS = (
    "ca-certificates",
    "debian-archive-keyring",
    "iproute2",
    "iptables",
    "libdevmapper1.02.1",
    "libseccomp2",
    "mmdebstrap",
    "util-linux",
)


def install_tools() -> None:
    """Installs those of ``TOOLS`` that the machine lacks."""
    require(
        "apt-get",
        remedy="without a Docker engine that reaches an image registry, the cluster is built from Debian packages; "
        "install Docker, or use Debian 12.",
    )
    missing = [name for name in TOOLS if not _is_installed(name)]
    if not missing:
        return
    with step(f"installing {', '.join(missing)}"):
        _refresh()
        run(
            *("apt-get", "install", "--yes", "--no-install-recommends", *missing),
            what="Installing Debian packages",
            env=ENVIRONMENT,
        )


def candidate(name: str) -> str:
    """The version that ``apt-get`` would take now, made fit for a file name."""
    text = run("apt-cache", "policy", name, what=f"Looking up {name}", env=ENVIRONMENT)
    found = re.search(r"Candidate: (\S+)", text)
    if found is None or found.group(1) == "(none)":
        _refresh()
        text = run("apt-cache", "policy", name, what=f"Looking up {name}", env=ENVIRONMENT)
        found = re.search(r"Candidate: (\S+)", text)
    if found is None or found.group(1) == "(none)":
        raise ClusterError(f"apt knows no package {name}: add the distribution's main archive to its sources.")
    return re.sub(r"[^A-Za-z0-9.+-]", "_", found.group(1))


def unpack(names: tuple[str, ...], into: Path) -> None:
    """Downloads packages and unpacks them into a folder, without running any of their scripts."""
    downloads = into / ".downloads"
    downloads.mkdir()
    if not succeeds("apt-get", "install", "--simulate", *names, env=ENVIRONMENT):
        _refresh()
    run(
        *("apt-get", "-o", "APT::Sandbox::User=root", "download", *names),
        what=f"Downloading {', '.join(names)}",
        cwd=downloads,
        env=ENVIRONMENT,
    )
    for package in sorted(downloads.glob("*.deb")):
        run("dpkg", "-x", package, into, what=f"Unpacking {package.name}")
    shutil.rmtree(downloads)


def _is_installed(name: str) -> bool:
    query = ("dpkg-query", "--show", "--showformat=${db:Status-Status}", name)
    return succeeds(*query) and run(*query, what=f"Looking up {name}") == "installed"


def _refresh() -> None:
    run("apt-get", "update", what="Updating the package lists", env=ENVIRONMENT)
