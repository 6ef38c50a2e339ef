"""What a ModelRevision keeps of a spec: its content, and what was known about it when it was made."""

from typing import Any

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import ModelRevisionSpec
from modelrollout.api.revision import content, digest
from modelrollout.plan.observation import Observation, Wanted
from modelrollout.plan.registered import Registered


def snapshot(deployment: str, spec: ModelDeploymentSpec, wanted: Wanted) -> dict[str, Any]:
    """The spec of its ModelRevision, JSON-ready; `deployment` is the ModelDeployment's name."""
    covered = content(spec.model, spec.serving, wanted.config, wanted.pin)
    kept: dict[str, Any] = {"model": covered["model"], "serving": covered["serving"]}
    if wanted.registered is not None:
        kept["model"] = _completed(covered["model"], wanted.registered)
        signature = wanted.contract is None and wanted.registered.contract is not None
        record = wanted.registered.record(spec.model, signature=signature)
        kept["registry"] = record.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if "config" in covered:
        kept["config"] = wanted.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    contract = wanted.contract
    if contract is None and wanted.registered is not None:
        contract = wanted.registered.contract
    for name, document in (("contract", contract), ("reference", wanted.reference), ("card", wanted.card)):
        if document is not None:
            kept[name] = dict(document)
    return {"deployment": deployment, "digest": digest(spec.model, spec.serving, wanted.config, wanted.pin), **kept}


def _completed(model: dict[str, Any], registered: Registered) -> dict[str, Any]:
    """Version, changelog and lineage from the registry, where the spec says nothing; the digest is as without them."""
    known: dict[str, Any] = {"version": registered.pin.version}
    if registered.description:
        known["changelog"] = registered.description
    if registered.lineage is not None:
        known["lineage"] = registered.lineage.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**known, **model}


def snapshot_of(observation: Observation, revision: str | None) -> ModelRevisionSpec | None:
    """A revision's content; that of the target is the spec's own where its ModelRevision was not seen yet."""
    view = observation.revision(revision)
    if view is not None:
        return view.spec
    if revision != observation.target:
        return None
    return ModelRevisionSpec.model_validate(snapshot(observation.name, observation.spec, observation.wanted))
