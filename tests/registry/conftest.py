"""A real MLflow server on loopback for the whole session, and a training that uses it as people do."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.mlflow_server import MlflowServer
from cluster.settings import load
from modelrollout.adapters.mlflow import MlflowRegistry
from tests.registry.training import Training


@dataclass(frozen=True)
class Place:
    server: MlflowServer
    registry: MlflowRegistry
    calls: list[tuple[str, str]]
    training: Training

    def ask(self, call: Any) -> Any:
        """What one of the registry's coroutines gives."""
        return asyncio.run(call)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("mlflow")
    calls: list[tuple[str, str]] = []
    with MlflowServer(load(), folder) as server:
        registry = MlflowRegistry(server.url, on_call=lambda *call: calls.append(call))
        yield Place(server, registry, calls, Training(server.url, folder))
        asyncio.run(registry.close())
