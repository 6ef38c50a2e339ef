"""Downloads Python wheels on the machine, for image builds that have no network.

Wheels are kept in a folder for each lock file, keyed by its contents, so that a second build downloads nothing.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from cluster import cache
from cluster.process import require, run
from cluster.settings import Settings

# The images run Debian 12: Python 3.11 and the C library 2.36. Wheels for an older library run there too.
PYTHON = "3.11"
NEWEST_GLIBC_MINOR = 36
OLDEST_GLIBC_MINOR = 5


def wheelhouse(settings: Settings, lock: Path) -> Path:
    """A folder with the wheels that a lock file names, hashes checked."""
    version = cache.digest(lock, platform.machine())
    what = f"downloading the Python packages of {lock.parent.name}/{lock.name}"
    return cache.piece(
        settings.cache, "wheels", version, what=what, build=lambda into: download(into, "--requirement", lock)
    )


def download(into: Path, *wanted: str | Path) -> None:
    """Runs ``pip download`` with the machine's own settings, for the images' Python instead of the machine's."""
    machine = platform.machine().replace("arm64", "aarch64")
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC_MINOR, OLDEST_GLIBC_MINOR - 1, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    run(
        *_pip(),
        *("download", "--quiet", "--no-deps", "--only-binary=:all:", f"--dest={into}"),
        *("--python-version", PYTHON, "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"),
        *(f"--platform={name}" for name in platforms),
        *wanted,
        what="Downloading Python packages",
        env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )


def _pip() -> tuple[str, ...]:
    """The virtual environment that runs us may have no pip; uv brings one."""
    if shutil.which("uv"):
        return ("uv", "tool", "run", "--quiet", "pip")
    return (require("pip3", remedy="install uv (python3 -m pip install uv) or pip."),)
