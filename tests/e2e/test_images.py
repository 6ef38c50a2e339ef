"""What is in the operator's image, as it was built and loaded into the node."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.e2e import installed

MEBIBYTE = 1024**2
# Python, the operator and its packages; the generated half of the kubernetes client alone would be 70 more.
MOST_MEBIBYTES = 190


@pytest.fixture(scope="module")
def members() -> Iterator[dict[str, tarfile.TarInfo]]:
    """Every file of the image, by its path. The files are listed from a container that is never started."""
    name = "modelrollout-image-contents"
    _docker("rm", "--force", name, check=False)
    _docker("create", "--name", name, installed.IMAGE)
    try:
        exported = _docker("export", name)
    finally:
        _docker("rm", "--force", name)
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        yield {member.name: member for member in tar}


def test_there_is_no_shell_and_nothing_that_installs(members: dict[str, tarfile.TarInfo]) -> None:
    programs = {PurePosixPath(name).name for name in members if PurePosixPath(name).parent.name in ("bin", "sbin")}
    assert programs == {"python3", "python3.11"}
    assert not {PurePosixPath(name).name for name in members} & {"pip", "ensurepip", "setuptools"}


def test_it_is_small_and_without_what_it_does_not_import(
    members: dict[str, tarfile.TarInfo], capsys: pytest.CaptureFixture[str]
) -> None:
    size = sum(member.size for member in members.values()) / MEBIBYTE
    models = [name for name in members if "/kubernetes/client/models/" in name and name.endswith(".py")]
    with capsys.disabled():
        print(f"\nthe operator's image: {size:.0f} MiB, {len(members)} files")
    assert size < MOST_MEBIBYTES
    assert 0 < len(models) < 20


def test_it_runs_as_nobody_who_owns_anything(members: dict[str, tarfile.TarInfo]) -> None:
    config = json.loads(_docker("image", "inspect", installed.IMAGE, "--format", "{{json .Config}}"))
    assert config["User"] == "65532:65532"
    owned = [name for name, member in members.items() if member.uid == 65532 or member.mode & 0o6000]
    assert owned == []


def test_scanners_find_the_packages_of_debian_that_are_in_it(members: dict[str, tarfile.TarInfo]) -> None:
    recorded = {PurePosixPath(name).name for name in members if name.startswith("var/lib/dpkg/status.d/")}
    assert {"ca-certificates", "libc6", "libssl3", "zlib1g"} <= recorded
    assert all(f"usr/share/doc/{package}/copyright" in members for package in recorded)


def _docker(*arguments: str, check: bool = True) -> bytes:
    done = subprocess.run(["docker", *arguments], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}: {done.stderr.decode().strip()}"
    return done.stdout
