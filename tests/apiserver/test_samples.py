"""Manifests that we tell people to apply: the API server takes all of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver.kubectl import Kubectl

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
SAMPLES = MANIFESTS / "samples"
OVERLAYS = sorted(path.parent for path in SAMPLES.rglob("kustomization.yaml") if "resources" in path.read_text())
HEALTH = MANIFESTS / "gitops" / "argocd"


def deployments(kubectl: Kubectl, folder: Path) -> list[dict[str, Any]]:
    built = list(yaml.safe_load_all(kubectl("kustomize", folder)))
    return [body for body in built if body["kind"] == "ModelDeployment"]


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: str(folder.relative_to(SAMPLES)))
def test_a_sample_is_accepted(kubectl: Kubectl, folder: Path) -> None:
    found = deployments(kubectl, folder)
    assert found
    for body in found:
        body["metadata"].pop("namespace", None)
        apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
        done = kubectl.attempt(*apply, stdin=json.dumps(body))
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr


def test_argo_cd_and_flux_are_pointed_at_folders_that_are_there() -> None:
    for file in ("argocd/application.yaml", "flux/kustomization.yaml"):
        bodies = list(yaml.safe_load_all((SAMPLES / "gitops" / file).read_text()))
        paths = [body["spec"].get("path") or body["spec"].get("source", {}).get("path") for body in bodies]
        named = [path for path in paths if path]
        assert named
        assert all((SAMPLES / "gitops" / path / "kustomization.yaml").is_file() for path in named)


def test_the_health_checks_are_added_to_what_argo_cd_has_been_told_before(admin: Kubectl) -> None:
    """By a patch: kubectl's server-side apply would remove what a client-side apply has put there."""
    argocd = admin.within("argocd")
    before = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"url": "https://argocd.example.com"}}
    metadata = {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}}
    argocd("apply", "-f", "-", stdin=json.dumps(before | {"metadata": metadata}))

    patch = argocd("kustomize", HEALTH)
    argocd("patch", "configmap", "argocd-cm", "--patch-file=/dev/stdin", stdin=patch)

    told = argocd.get("configmap", "argocd-cm")["data"]
    prefix = "resource.customizations.health.modelrollout.dev_"
    assert told.keys() == {"url", f"{prefix}ModelDeployment", f"{prefix}ModelRevision"}
    assert told[f"{prefix}ModelDeployment"] == (HEALTH / "modeldeployment.lua").read_text()


def test_one_that_was_just_made_does_not_pass_for_ready(kubectl: Kubectl) -> None:
    """kstatus takes an object without a status for ready."""
    folder = next(folder for folder in OVERLAYS if folder.name == "base")
    (body,) = deployments(kubectl, folder)
    made = kubectl.apply(body)
    assert (made["metadata"]["generation"], made["status"]) == (1, {"observedGeneration": 0})
