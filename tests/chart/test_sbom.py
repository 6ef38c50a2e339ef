"""The bill of materials names what the image holds, neither more nor less, and under which licence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import settings
from tests.chart.rendering import ROOT, objects

SCRIPT = ROOT / "scripts" / "sbom.py"
# Whoever adds a package with another licence decides here whether it may be handed on.
KNOWN = {
    *(
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
    ),
    *("Apache Software License", "BSD License"),
}


LOCKS = {
    "operator": ("operator", "requirements*.lock"),
    "observer": ("operator", "observer.lock"),
}


@pytest.mark.parametrize("image", LOCKS)
def test_the_parts_of_an_image_are_those_of_its_lock_file_each_with_a_licence(image: str, tmp_path: Path) -> None:
    path = f"{settings.load().cache}/uv/bin:{os.environ['PATH']}"
    command = [sys.executable, str(SCRIPT), image, "--into", str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    folder, pattern = LOCKS[image]
    locks = "".join(path.read_text() for path in (ROOT / folder).glob(pattern))
    pinned = re.findall(r"^([\w.-]+)==([\w.]+)", locks, re.MULTILINE)
    document = json.loads((tmp_path / f"{image}.cdx.json").read_text())
    listed = {(_plain(one["name"]), one["version"]) for one in document["components"]}
    assert listed == {(_plain(name), version) for name, version in pinned}

    for line in (tmp_path / f"{image}.licences.txt").read_text().splitlines():
        _, _, licence = line.partition(": ")
        assert set(re.split(r" AND | OR ", licence)) <= KNOWN, line


def test_every_released_image_has_one() -> None:
    (workflow,) = objects((ROOT / ".github" / "workflows" / "release.yaml").read_text())
    released = [image["name"] for image in workflow["jobs"]["image"]["strategy"]["matrix"]["include"]]
    done = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True)
    assert ", ".join(released) in done.stdout


def test_an_image_that_there_is_not_is_named() -> None:
    command = [sys.executable, str(SCRIPT), "observre"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no image 'observre': use one of operator, observer, demo-server" in done.stderr


def _plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()
