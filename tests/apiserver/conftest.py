"""One bare API server for the whole session, with our CRDs in it."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import apiserver, binaries, settings
from modelrollout.api.crd import RESOURCES
from modelrollout.api.group import API_VERSION
from tests.apiserver.kubectl import Kubectl

CRDS = Path(__file__).resolve().parents[2] / "crds"
PUBLISH_SECONDS = 30.0


def _missing_programs() -> list[str]:
    cache = settings.load().cache
    versions = {name: binaries.version(binaries.PROGRAMS[name].module) for name in binaries.API_SERVER_PROGRAMS}
    return [name for name, version in versions.items() if not (cache / f"{name}-{version}" / name).is_file()]


@pytest.fixture(scope="session")
def server() -> Iterator[apiserver.ApiServer]:
    if missing := _missing_programs():
        pytest.fail(f"The API server tests need {', '.join(missing)}: build them with `python -m cluster binaries`.")
    with apiserver.running() as started:
        yield started


@pytest.fixture(scope="session")
def admin(server: apiserver.ApiServer) -> Kubectl:
    """An administrator of a server that knows our kinds."""
    kubectl = Kubectl(server.kubectl, server.kubeconfig(), server.folder / "kubectl-cache")
    kubectl("apply", "--server-side", *(f"--filename={CRDS / resource.file_name}" for resource in RESOURCES))
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    _wait_until_published(kubectl)
    return kubectl


@pytest.fixture(scope="module")
def kubectl(admin: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """A namespace of its own for each test module."""
    return admin.within(re.sub("[^a-z0-9]+", "-", Path(request.path).stem))


def _wait_until_published(kubectl: Kubectl) -> None:
    """A type is served before its schema is published, and until then kubectl checks fields by itself or not at all."""
    deadline = time.monotonic() + PUBLISH_SECONDS
    while True:
        done = kubectl.attempt("get", "--raw", f"/openapi/v3/apis/{API_VERSION}")
        if done.returncode == 0 and all(f'.{resource.kind}"' in done.stdout for resource in RESOURCES):
            return
        assert time.monotonic() < deadline, f"the API server publishes no schema of {API_VERSION}: {done.stderr}"
        time.sleep(0.1)
