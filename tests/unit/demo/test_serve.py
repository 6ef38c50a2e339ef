"""The image's entry point, up to where it would import MLServer: what it refuses, and in which words."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SERVE = Path(__file__).parents[3] / "demo" / "server" / "serve.py"
ARTEFACT = b"a fitted pipeline"


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """An entry point with one model version, whose server says what it was asked to run."""
    shutil.copy(SERVE, tmp_path)
    version = tmp_path / "models" / "v1"
    version.mkdir(parents=True)
    (version / "model.joblib").write_bytes(ARTEFACT)
    entry = {"bytes": len(ARTEFACT), "sha256": hashlib.sha256(ARTEFACT).hexdigest()}
    (tmp_path / "models" / "manifest.json").write_text(json.dumps({"v1": entry}))
    (tmp_path / "server.py").write_text(
        "def run(settings, model, drain):\n    print(settings.name, model.parent.name, model.name)\n    return True\n"
    )
    return tmp_path


def start(server: Path, version: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MODEL_VERSION"}
    if version is not None:
        environment["MODEL_VERSION"] = version
    command = [sys.executable, str(server / "serve.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_runs_the_version_that_was_asked_for(server: Path) -> None:
    ended = start(server, "v1")
    assert (ended.returncode, ended.stdout) == (0, "settings.json v1 model-settings.json\n")


@pytest.mark.parametrize("version", [None, "", "v9", "../v1"])
def test_an_unknown_version_ends_it_with_the_known_ones(server: Path, version: str | None) -> None:
    ended = start(server, version)
    assert ended.returncode == 1
    assert ended.stderr == f"error: MODEL_VERSION must be one of v1, not {version or ''!r}\n"


def test_a_file_that_was_cut_short_ends_it_with_one_line(server: Path) -> None:
    (server / "models" / "v1" / "model.joblib").write_bytes(ARTEFACT[:5])
    ended = start(server, "v1")
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "error: cannot load model version v1: model.joblib has 5 bytes, its training recorded 17"
    )
    assert ended.stderr.count("\n") == 1


def test_a_model_that_cannot_be_loaded_is_an_error_for_kubernetes_too(server: Path) -> None:
    (server / "server.py").write_text("def run(settings, model, drain):\n    return False\n")
    ended = start(server, "v1")
    assert (ended.returncode, ended.stderr) == (1, "error: model version v1 could not be loaded\n")
