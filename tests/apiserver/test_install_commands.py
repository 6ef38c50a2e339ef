"""What the pages say about installing, each command as it stands there, in their order, on a real API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import apiserver
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.shell import Shell
from tests.pages import commands

# There is nothing here that makes pods: tests/e2e/test_installing.py waits for them.
WAYS = {
    "README.md by helm": commands("README.md", "helm install"),
    "README.md by kubectl": commands("README.md", "kubectl apply --server-side -k"),
    "docs/install.md by helm": commands("docs/install.md", "helm install", "helm upgrade", "helm uninstall"),
    "docs/install.md by kubectl": commands("docs/install.md", "kubectl apply --server-side -k"),
    "docs/registry.md by helm": [
        *commands("docs/install.md", "helm install"),
        *commands("docs/registry.md", "helm upgrade"),
    ],
}
"""The two ways are alternatives, and own what they have installed: one is not applied over the other by chance."""


@pytest.fixture
def admin() -> Iterator[Kubectl]:
    with apiserver.running() as server:
        yield Kubectl(server.kubectl, server.kubeconfig(), server.folder / "kubectl-cache", "modelrollout")


@pytest.mark.parametrize("way", WAYS)
def test_commands_do_what_they_are_there_for(admin: Kubectl, tmp_path: Path, way: str) -> None:
    listed = WAYS[way]
    assert listed

    done = Shell(admin, tmp_path)(*listed)

    assert done.returncode == 0, done.stderr
    assert "modeldeployments.modelrollout.dev" in admin("get", "crds", "-o", "name")
    removed = any(line.startswith("helm uninstall") for line in listed)
    there = admin.attempt(
        "get", "deployment", "modelrollout", "-o", "jsonpath={.spec.template.spec.containers[0].args}"
    )
    assert (there.returncode != 0) is removed
    assert ("--mlflow=http://mlflow.mlops:5000" in there.stdout) is (way == "docs/registry.md by helm")
