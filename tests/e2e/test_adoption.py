"""A Deployment that serves is taken over and given back, by the printed commands alone, and nobody loses a request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.kubectl import apply, kubectl
from tests.e2e.case import Case
from tests.e2e.manifests import Manifest, addressed, hostname, manifest

OLD = "scorer"
LABELS = {"app": OLD}


def test_a_running_deployment_is_adopted_and_released_without_a_failed_request(case: Case) -> None:
    given, _, then = case.steps()
    _serve_without_us(case)
    given.users(name=OLD)

    printed = _kubectl_model("adopt", f"deployment/{OLD}", "--httproute", OLD, "--name", "adopted", case=case)
    _follow(printed, "adopted.yaml")

    assert case.fetch("modeldeployment", "adopted")["status"]["stage"] == "Live"
    then.users_saw_no_failure()
    assert _owners(case) == {"adopted"}
    before = case.seen()

    printed = _kubectl_model("release", "adopted", "--name", "released", case=case)
    _follow(printed, "released.yaml")

    assert _owners(case) == {""}
    seen = case.seen()
    then.users_saw_no_failure()
    assert seen.ok > before.ok
    case.note(f"there and back: users saw {seen.ok} answers and {seen.failed} failures")


def _serve_without_us(case: Case) -> None:
    pods = addressed(manifest("v1", name=OLD), namespace=case.namespace)["spec"]["serving"]["template"]
    metadata = {"name": OLD, "namespace": case.namespace}
    labelled = {**pods, "metadata": {**pods["metadata"], "labels": LABELS}}
    server = {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": labelled}
    port = {"name": "http", "port": 80, "targetPort": "http"}
    apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": server})
    apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": LABELS, "ports": [port]}})
    route: Manifest = {
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "hostnames": [hostname(case.namespace, OLD)],
        "rules": [{"backendRefs": [{"name": OLD, "port": 80}]}],
    }
    apply({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": route})
    kubectl("rollout", "status", f"deployment/{OLD}", "-n", case.namespace, "--timeout=120s", timeout=130)


def _kubectl_model(*words: str, case: Case) -> str:
    command = [sys.executable, "-m", "modelrollout.cli.main", *words, "-n", case.namespace]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _follow(printed: str, file: str) -> None:
    """The manifest into its file, and the commands of its first lines, in their order."""
    first = [line.removeprefix("#   ") for line in printed.splitlines() if line.startswith("#   ")]
    commands = [line for line in first if line.startswith(("kubectl", "sleep"))]
    assert commands
    with TemporaryDirectory() as folder:
        Path(folder, file).write_text(printed)
        for command in commands:
            done = subprocess.run(
                ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def _owners(case: Case) -> set[str]:
    """Which ModelDeployment the Deployments that there are belong to; empty for none."""
    return {
        next((owner["name"] for owner in one["metadata"].get("ownerReferences", ())), "")
        for one in case.fetch("deployments")["items"]
    }
