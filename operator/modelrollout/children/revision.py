"""The ModelRevision: a snapshot of the content and of what was known about it, made once and never changed."""

from typing import Any

from modelrollout.api.group import API_VERSION, MODEL_REVISION
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.revision import child_name, short
from modelrollout.children.owner import Owner
from modelrollout.plan.observation import Wanted
from modelrollout.plan.snapshot import snapshot


def revision_manifest(owner: Owner, spec: ModelDeploymentSpec, wanted: Wanted | None = None) -> dict[str, Any]:
    """`wanted` is what the spec refers to, looked up."""
    kept = snapshot(owner.name, spec, wanted or Wanted())
    id = short(kept["digest"])
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_REVISION,
        "metadata": owner.metadata(child_name(owner.name, id), revision=id),
        "spec": kept,
    }
