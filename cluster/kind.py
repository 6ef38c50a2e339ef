"""Makes and removes the kind cluster itself: one node, with two ports published on 127.0.0.1."""

from __future__ import annotations

import json
from pathlib import Path

from cluster import binaries, inside, process
from cluster.progress import step
from cluster.settings import Settings

GATEWAY_NODE_PORT = 30080
PROMETHEUS_NODE_PORT = 30090
READY_SECONDS = 180


def running(settings: Settings) -> bool:
    """Whether the API server answers with the credentials that we have; about a tenth of a second."""
    if not settings.kubeconfig.exists():
        return False
    query = ("get", "--raw", "/readyz", "--request-timeout=3s")
    return process.succeeds(*inside.command(settings, kubectl(settings), *query), env=inside.environment(settings))


def create(settings: Settings, *, image: str | None) -> None:
    """Makes the cluster anew; ``image`` is the node's, or None for kind's own."""
    delete(settings)
    (settings.state / "addons").unlink(missing_ok=True)
    settings.state.mkdir(parents=True, exist_ok=True)
    config = settings.state / "kind.yaml"
    config.write_text(json.dumps(_config(settings, private=image is not None), indent=2))
    options: list[str | Path] = [
        "--name",
        settings.name,
        "--config",
        config,
        "--kubeconfig",
        settings.kubeconfig,
        "--wait",
        f"{READY_SECONDS}s",
    ]
    if image is not None:
        options += ["--image", image]
    with step("creating the kind cluster"):
        _kind(settings, "create", "cluster", *options, what="Creating the kind cluster")
        settings.kubeconfig.chmod(0o600)


def delete(settings: Settings) -> None:
    """Removes the cluster if there is one, whole or half made."""
    _kind(
        settings,
        "delete",
        "cluster",
        "--name",
        settings.name,
        "--kubeconfig",
        settings.kubeconfig,
        what="Deleting the cluster",
    )
    settings.kubeconfig.unlink(missing_ok=True)


def kubectl(settings: Settings) -> Path:
    return binaries.built_or_on_path(settings, "kubectl")


def _kind(settings: Settings, *arguments: str | Path, what: str) -> None:
    program = binaries.built_or_on_path(settings, "kind")
    process.run(*inside.command(settings, program, *arguments), what=what, env=inside.environment(settings))


def _config(settings: Settings, *, private: bool) -> dict[str, object]:
    """The node that we build brings its own network plug-in and runs where cgroup v1 may be all there is."""
    control = {
        "kind": "ClusterConfiguration",
        # One replica of each has nobody to elect, and a throw-away cluster has nothing to lose in a power cut.
        "controllerManager": {
            "extraArgs": [_argument("leader-elect", "false"), _argument("enable-hostpath-provisioner", "true")]
        },
        "scheduler": {"extraArgs": [_argument("leader-elect", "false")]},
        "etcd": {"local": {"extraArgs": [_argument("unsafe-no-fsync", "true")]}},
    }
    patches = [control, {"kind": "KubeletConfiguration", "failCgroupV1": False}] if private else [control]
    ports = {GATEWAY_NODE_PORT: settings.gateway_port, PROMETHEUS_NODE_PORT: settings.prometheus_port}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": private},
        "nodes": [
            {
                "role": "control-plane",
                "kubeadmConfigPatches": [json.dumps(patch) for patch in patches],
                "extraPortMappings": [
                    {"containerPort": inner, "hostPort": outer, "listenAddress": "127.0.0.1"}
                    for inner, outer in ports.items()
                ],
            }
        ],
    }


def _argument(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}
