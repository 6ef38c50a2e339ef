"""The operator as it is installed: put it there, find its leader, kill it."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import Settings
from demo.kubectl import KubectlError, kubectl
from tests.e2e.waiting import until
from tests.pages import command

MANIFESTS = Path(__file__).resolve().parent / "operator"
NAMESPACE = "modelrollout"
IMAGE = "modelrollout/operator:dev"


def require_cluster() -> None:
    try:
        kubectl("get", "--raw", "/readyz", "--request-timeout=5s")
    except KubectlError as error:
        pytest.exit(
            "The end-to-end tests need the cluster: run them with `make e2e`, or with "
            f"`python -m cluster exec -- python -m pytest tests/e2e` ({str(error).splitlines()[-1]}).",
            returncode=1,
        )


def install() -> None:
    """Applies the manifests, and has pods of the newest image."""
    kubectl("apply", "--server-side", "-k", str(MANIFESTS))
    newest = _docker("image", "inspect", IMAGE, "--format", "{{.Id}}").strip()
    images = {status["imageID"] for pod in pods() for status in pod["status"].get("containerStatuses", [])}
    if any(newest not in image for image in images):
        kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/modelrollout")
    _are_there()


def told(*settings: str) -> None:
    """Pods with these variables, as `kubectl set env` takes them."""
    kubectl("-n", NAMESPACE, "set", "env", "deployment/modelrollout", *settings)
    _are_there()


def machine() -> str:
    """The address in the nodes' network of the machine that the tests run on."""
    configs = json.loads(_docker("network", "inspect", "kind"))[0]["IPAM"]["Config"]
    return next(str(one["Gateway"]) for one in configs if "." in one.get("Gateway", ""))


def pods() -> list[dict[str, Any]]:
    listed: dict[str, Any] = json.loads(kubectl("get", "pods", "-n", NAMESPACE, "-l", "app=modelrollout", "-o", "json"))
    items: list[dict[str, Any]] = listed["items"]
    return items


def leader() -> str:
    """Name of the pod that holds the Lease."""
    return kubectl("get", "lease", "modelrollout", "-n", NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}")


def kill_leader(settings: Settings) -> str:
    """SIGKILL to the leader's process; returns when its container has been started again. Gives the pod's name."""
    name = leader()
    before = _container(name)
    task = before["containerID"].removeprefix("containerd://")
    _docker("exec", settings.node, "ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", task)
    after = until(
        f"the container of {name} was killed and started again",
        lambda: found if (found := _container(name))["restartCount"] > before["restartCount"] else None,
        namespace=NAMESPACE,
        every=1.0,
    )
    ended = after["lastState"]["terminated"]
    assert ended["exitCode"] == 137, f"the leader ended with {ended}, not by SIGKILL"
    return name


def _are_there() -> None:
    """As docs/install.md has a person wait for them."""
    _, *waits = shlex.split(command("docs/install.md", "kubectl -n modelrollout rollout status"))
    kubectl(*waits, timeout=160)


def _container(pod: str) -> dict[str, Any]:
    found = json.loads(kubectl("get", "pod", pod, "-n", NAMESPACE, "-o", "json"))
    only: dict[str, Any] = found["status"]["containerStatuses"][0]
    return only


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr.strip()}"
    return done.stdout
