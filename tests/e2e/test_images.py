"""What is in the images of the operator and of the observer, as they were built and loaded into the node."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest

from tests.e2e import installed

MEBIBYTE = 1024**2
# As pods run: nobody who may do anything, on a file system that cannot be written.
CONFINED = ("--read-only", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")


@dataclass(frozen=True, kw_only=True)
class Image:
    """`mebibytes` is the most that it may have: Python is 50, and the rest are packages."""

    name: str
    tag: str
    mebibytes: int
    members: dict[str, tarfile.TarInfo]
    """Every file, by its path."""


IMAGES = {
    # The generated half of the kubernetes client alone would be 70 more.
    "operator": (installed.IMAGE, 190),
    "observer": ("modelrollout/observer:dev", 90),
}


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest) -> Image:
    """The files are listed from a container that is never started."""
    tag, mebibytes = IMAGES[request.param]
    name = f"modelrollout-{request.param}-contents"
    _docker("rm", "--force", name, check=False)
    _docker("create", "--name", name, tag)
    try:
        exported = _docker("export", name)
    finally:
        _docker("rm", "--force", name)
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        members = {member.name: member for member in tar}
    return Image(name=request.param, tag=tag, mebibytes=mebibytes, members=members)


def test_there_is_no_shell_and_nothing_that_installs(image: Image) -> None:
    programs = {
        PurePosixPath(name).name for name in image.members if PurePosixPath(name).parent.name in ("bin", "sbin")
    }
    assert programs == {"python3", "python3.11"}
    assert not {PurePosixPath(name).name for name in image.members} & {"sh", "bash", "pip", "ensurepip", "setuptools"}


def test_it_is_small(image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    size = sum(member.size for member in image.members.values()) / MEBIBYTE
    with capsys.disabled():
        print(f"\nthe {image.name}'s image: {size:.0f} MiB, {len(image.members)} files")
    assert size < image.mebibytes


def test_what_the_program_does_not_import_is_not_in_it(image: Image) -> None:
    models = [name for name in image.members if "/kubernetes/client/models/" in name and name.endswith(".py")]
    parts = {PurePosixPath(name).parts[2] for name in image.members if name.startswith("app/modelrollout/")}
    match image.name:
        case "operator":
            assert 0 < len(models) < 20
        case "observer":
            assert not models
            assert parts <= {"__init__.py", "__pycache__", "adapters", "api", "data", "observer"}


def test_it_runs_as_nobody_who_owns_anything(image: Image) -> None:
    config = json.loads(_docker("image", "inspect", image.tag, "--format", "{{json .Config}}"))
    assert config["User"] == "65532:65532"
    owned = [name for name, member in image.members.items() if member.uid == 65532 or member.mode & 0o6000]
    assert owned == []


def test_it_starts_where_nothing_can_be_written(image: Image) -> None:
    told = _docker("run", "--rm", *CONFINED, image.tag, "--help").decode()
    assert told.startswith("usage: ")


def test_scanners_find_the_packages_of_debian_that_are_in_it(image: Image) -> None:
    recorded = {PurePosixPath(name).name for name in image.members if name.startswith("var/lib/dpkg/status.d/")}
    assert {"ca-certificates", "libc6", "libssl3", "zlib1g"} <= recorded
    assert all(f"usr/share/doc/{package}/copyright" in image.members for package in recorded)


def _docker(*arguments: str, check: bool = True) -> bytes:
    done = subprocess.run(["docker", *arguments], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}: {done.stderr.decode().strip()}"
    return done.stdout
