"""The operator as a release of the chart, in place of the one that the other tests have installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from demo.kubectl import kubectl
from modelrollout.api.crd import RESOURCES
from modelrollout.api.group import GROUP
from tests.chart.rendering import CHART, program
from tests.e2e import installed

NAME = "modelrollout"


def helm(*arguments: str | Path) -> str:
    command = [str(part) for part in (program("helm"), *arguments, "--namespace", installed.NAMESPACE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, f"helm {' '.join(command[1:])}: {done.stderr.strip()}"
    return done.stdout


def install(*options: str) -> None:
    """Over what Kustomize has installed, as docs/install.md says it. Pods of the image that is in the node."""
    helm("install", NAME, CHART, "--take-ownership", "--force-conflicts", *_WAIT, "--set=image.tag=dev", *options)


def upgrade(*options: str) -> None:
    """kubectl goes on owning the fields that it has applied before, and has to be overruled where they change."""
    helm("upgrade", NAME, CHART, "--reset-then-reuse-values", "--force-conflicts", *_WAIT, *options)


def uninstall() -> None:
    """And no pod of the operator is left. Without a release there is nothing to do."""
    if NAME not in helm("list", "--short").split():
        return
    helm("uninstall", NAME, "--wait")
    kubectl("wait", "--for=delete", "pods", "-l", "app=modelrollout", "-n", installed.NAMESPACE, "--timeout=60s")


def put_back() -> None:
    """The installation that other tests know, and Helm an owner of nothing that stays: definitions outlive a release,
    and `kubectl apply` would be told of a conflict at each change of them.
    """
    uninstall()
    for resource in RESOURCES:
        name = f"{resource.plural}.{GROUP}"
        found = json.loads(kubectl("get", "crd", name, "-o", "json", "--show-managed-fields"))
        others = [one for one in found["metadata"]["managedFields"] if one["manager"] != "helm"]
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": others}]
        kubectl("patch", "crd", name, "--type=json", "-p", json.dumps(patch))
    installed.install()


_WAIT = ("--wait", "--timeout=150s")
