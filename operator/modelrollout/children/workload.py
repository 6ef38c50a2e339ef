"""The Deployment of one revision: the user's pod template with two labels added, and copies in place of ConfigMaps that
belong to the revision; containers are told which model it is where that came from a registry. Nothing else is changed.

The template comes from the revision's snapshot, so it never changes while the revision lives: an upgrade of the
operator must not restart anybody's pods.
"""

from typing import Any

from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.revision import child_name, short
from modelrollout.children.config import reading_copies
from modelrollout.children.environment import knowing_the_model
from modelrollout.children.owner import Owner


def workload_manifest(owner: Owner, revision: ModelRevisionSpec, *, replicas: int) -> dict[str, Any]:
    id = short(revision.digest)
    labels = owner.labels(id)
    copies = {one.name: one.copy_name for one in revision.config.config_maps}
    template = reading_copies(revision.serving.template, copies) if copies else revision.serving.template
    if revision.model.pin is not None:
        template = knowing_the_model(template, revision.model, revision.model.pin)
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata(child_name(owner.name, id), revision=id),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": labels},
            "template": {
                **template,
                "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}},
            },
        },
    }
