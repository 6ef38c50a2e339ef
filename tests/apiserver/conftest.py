"""One bare API server for the whole session, with our CRDs in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import apiserver, binaries, settings
from tests.apiserver import kinds
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.people import installed


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
    kinds.install(kubectl)
    return kubectl


@pytest.fixture(scope="session")
def people() -> Iterator[Kubectl]:
    """A server with our roles and our policy, which would judge the actions of other tests as well."""
    if missing := _missing_programs():
        pytest.fail(f"The API server tests need {', '.join(missing)}: build them with `python -m cluster binaries`.")
    with apiserver.running() as started:
        yield installed(started)


@pytest.fixture(scope="module")
def kubectl(admin: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """A namespace of its own for each test module."""
    return admin.within(re.sub("[^a-z0-9]+", "-", Path(request.path).stem))
