"""What a ModelRevision keeps of a spec: its content, and what was known about it when it was made."""

from typing import Any

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.revision import content, digest
from modelrollout.plan.observation import Observation, Wanted


def snapshot(deployment: str, spec: ModelDeploymentSpec, wanted: Wanted) -> dict[str, Any]:
    """The spec of its ModelRevision, JSON-ready; `deployment` is the ModelDeployment's name."""
    covered = content(spec.model, spec.serving, wanted.config, wanted.pin)
    kept: dict[str, Any] = {"model": covered["model"], "serving": covered["serving"]}
    if "config" in covered:
        kept["config"] = wanted.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for name, document in (("contract", wanted.contract), ("reference", wanted.reference), ("card", wanted.card)):
        if document is not None:
            kept[name] = dict(document)
    return {"deployment": deployment, "digest": digest(spec.model, spec.serving, wanted.config, wanted.pin), **kept}


def snapshot_of(observation: Observation, revision: str | None) -> ModelRevisionSpec | None:
    """A revision's content; that of the target is the spec's own where its ModelRevision was not seen yet."""
    view = observation.revision(revision)
    if view is not None:
        return view.spec
    if revision != observation.target:
        return None
    return ModelRevisionSpec.model_validate(snapshot(observation.name, observation.spec, observation.wanted))
