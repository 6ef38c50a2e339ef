"""Our kinds in the API server, served and published."""

import time
from pathlib import Path

from modelrollout.api.crd import RESOURCES
from modelrollout.api.group import API_VERSION
from tests.apiserver.kubectl import Kubectl

CRDS = Path(__file__).resolve().parents[2] / "crds"
PUBLISH_SECONDS = 30.0


def install(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", *(f"--filename={CRDS / resource.file_name}" for resource in RESOURCES))
    wait_until_published(kubectl)


def wait_until_published(kubectl: Kubectl) -> None:
    """A type is served before its schema is published, and until then kubectl checks fields by itself or not at all."""
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    deadline = time.monotonic() + PUBLISH_SECONDS
    while True:
        done = kubectl.attempt("get", "--raw", f"/openapi/v3/apis/{API_VERSION}")
        if done.returncode == 0 and all(f'.{resource.kind}"' in done.stdout for resource in RESOURCES):
            return
        assert time.monotonic() < deadline, f"the API server publishes no schema of {API_VERSION}: {done.stderr}"
        time.sleep(0.1)
