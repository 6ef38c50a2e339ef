"""A real MLflow server beside the cluster, where pods reach it; the operator knows it for as long as tests run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from cluster.mlflow_server import MlflowServer
from cluster.settings import load
from tests.e2e import installed
from tests.e2e.manifests import Manifest
from tests.registry.training import Training

FOLDER = Path(__file__).resolve().parents[2] / "demo" / "registry"
POLL_SECONDS = 3


@dataclass(frozen=True)
class Registry:
    """`address` is the one for pods."""

    server: MlflowServer
    training: Training
    address: str

    def aliases(self, model: str) -> dict[str, str]:
        return dict(self.training.client.get_registered_model(model).aliases)

    def tags(self, model: str, version: str) -> dict[str, str]:
        """By the last part of their names, those that are not empty."""
        tags = self.training.client.get_model_version(model, version).tags
        return {key.rpartition(".")[2]: value for key, value in tags.items() if value}

    def following(self, model: str, *, alias: str, rollout: Manifest) -> Manifest:
        """The demo's manifest, for this server's model, with a policy that is short."""
        made: Manifest = yaml.safe_load((FOLDER / "following.yaml").read_text())
        made["spec"]["model"]["uri"] = f"models:/{model}@{alias}"
        made["spec"]["rollout"] |= rollout
        pod = made["spec"]["serving"]["template"]["spec"]
        pod["initContainers"][0]["env"] = [{"name": "MLFLOW_URL", "value": self.address}]
        pod["containers"][0]["readinessProbe"]["timeoutSeconds"] = 5
        pod["containers"][0]["resources"]["requests"]["cpu"] = "25m"
        return made


@contextmanager
def beside() -> Iterator[Registry]:
    with tempfile.TemporaryDirectory(prefix="mlflow-") as folder:
        server = MlflowServer(load(), Path(folder), host="0.0.0.0")
        with server:
            address = f"http://{installed.machine()}:{server.port}"
            try:
                installed.told(f"MLFLOW_TRACKING_URI={address}", f"REGISTRY_POLL_SECONDS={POLL_SECONDS}")
                yield Registry(server, Training(server.url, Path(folder)), address)
            finally:
                installed.told("MLFLOW_TRACKING_URI-", "REGISTRY_POLL_SECONDS-")
