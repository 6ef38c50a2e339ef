"""The ModelRevision: a snapshot of the content, made once and never changed."""

from typing import Any

from modelrollout.api.group import API_VERSION, MODEL_REVISION
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.revision import child_name, content, digest, short
from modelrollout.children.owner import Owner


def revision_manifest(owner: Owner, spec: ModelDeploymentSpec) -> dict[str, Any]:
    whole = digest(spec.model, spec.serving)
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_REVISION,
        "metadata": owner.metadata(child_name(owner.name, short(whole)), revision=short(whole)),
        "spec": {"deployment": owner.name, "digest": whole, **content(spec.model, spec.serving)},
    }
