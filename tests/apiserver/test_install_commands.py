"""The commands of README and docs/install.md, each as it stands there, in their order, on a real API server."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import apiserver
from tests.apiserver.kubectl import Kubectl
from tests.chart.rendering import ROOT, program

# There is nothing here that makes pods: tests/e2e/test_installing.py waits for them.
WAITS = "rollout status"


@pytest.fixture
def admin() -> Iterator[Kubectl]:
    with apiserver.running() as server:
        yield Kubectl(server.kubectl, server.kubeconfig(), server.folder / "kubectl-cache", "modelrollout")


def commands(path: Path, way: str) -> list[str]:
    """Those of one program in the blocks that name no language: of the whole page, or of README's section."""
    text = path.read_text()
    if path.name == "README.md":
        text = text[text.index("\n## Install\n") + 1 :]
        text = text[: text.index("\n## ")]
    listed = "".join(re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    lines = listed.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith(f"{way} ") and WAITS not in line]


@pytest.mark.parametrize("path", ["README.md", "docs/install.md"])
@pytest.mark.parametrize("way", ["helm", "kubectl"])
def test_commands_do_what_they_are_there_for(admin: Kubectl, tmp_path: Path, path: str, way: str) -> None:
    """The two ways are alternatives, and own what they have installed: one is not applied over the other by chance."""
    listed = commands(ROOT / path, way)
    assert listed

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(listed)],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{program('helm').parent}:{program('kubectl').parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(admin.kubeconfig),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "modeldeployments.modelrollout.dev" in admin("get", "crds", "-o", "name")
    removed = any(line.startswith("helm uninstall") for line in listed)
    assert (admin.attempt("get", "deployment", "modelrollout").returncode != 0) is removed
