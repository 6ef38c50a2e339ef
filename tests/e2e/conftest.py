"""The cluster as the tests find it, and a `case` for each test. Run by `make e2e`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.settings import load as cluster_settings
from demo.kubectl import kubectl
from tests.e2e import installed, registry, side_by_side
from tests.e2e.case import RUN_LABEL, Case, World
from tests.e2e.history import History

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: takes something away that other end-to-end tests need")
    config.stash[side_by_side.NOTES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that run alone come last; the order is kept otherwise."""
    items.sort(key=lambda item: HERE in item.path.parents and item.get_closest_marker("alone") is not None)


@pytest.fixture(scope="session")
def mlflow(request: pytest.FixtureRequest) -> Iterator[registry.Registry | None]:
    """From before the first test to after the last one: to tell the operator of it is to restart it."""
    installed.require_cluster()
    installed.install()
    if not any(item.path.name == "test_registry.py" for item in request.session.items):
        yield None
        return
    with registry.beside() as running:
        yield running


@pytest.fixture(scope="session")
def world(mlflow: registry.Registry | None) -> Iterator[World]:
    """The operator installed, and every change of our kinds watched."""
    settings = cluster_settings()
    history = History()
    history.start()
    shared = World(
        history=history,
        gateway=f"http://127.0.0.1:{settings.gateway_port}",
        prometheus=f"http://127.0.0.1:{settings.prometheus_port}",
        mlflow=mlflow,
    )
    yield shared
    history.stop()
    kubectl("delete", "namespaces", "-l", f"{RUN_LABEL}={shared.run}", "--timeout=150s", timeout=160)


@pytest.fixture(scope="session")
def _beside(request: pytest.FixtureRequest, world: World) -> Iterator[None]:
    yield from side_by_side.started(request.session, world)


@pytest.fixture
def case(request: pytest.FixtureRequest, world: World, _beside: None) -> Iterator[Case]:
    """A namespace of its own. A test that runs beside others has got one in its thread; this one stays unused then."""
    item = request.node
    if side_by_side.is_beside(item):
        yield Case(world, title="unused")
        return
    side_by_side.ended(request.session)
    with side_by_side.new_case(item, world) as opened:
        yield opened


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test of this folder that takes a `case`: its result if it runs beside others, else it itself."""
    if "case" not in pyfuncitem.fixturenames or HERE not in pyfuncitem.path.parents:
        return None
    if side_by_side.is_beside(pyfuncitem):
        pyfuncitem.session.stash[side_by_side.RUNNING][pyfuncitem.nodeid].result()
    else:
        opened = pyfuncitem.funcargs["case"]
        assert isinstance(opened, Case)
        side_by_side.perform(pyfuncitem, opened)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Figures for people, asserted on nowhere."""
    if config.stash[side_by_side.NOTES]:
        terminalreporter.section("what was seen")
        for line in config.stash[side_by_side.NOTES]:
            terminalreporter.write_line(line)
