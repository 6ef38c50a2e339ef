"""Which version of a registry a spec means.

A registry's URI is resolved once: the answer is kept with the revision that was made of it, and the same `spec.model`
finds it there for as long as that revision is kept, whatever the registry says by then. So nothing starts a rollout by
itself, a restart changes nothing, and a rollback asks nobody. With `follow: Alias` the alias may move, and only news of
another version changes what is wanted: that the registry is silent, or that the alias is gone, does not.
"""

from collections.abc import Iterable

from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentStatus
from modelrollout.api.revision import asked
from modelrollout.plan.observation import RevisionView
from modelrollout.plan.registered import Registered


def kept(
    model: Model, revisions: Iterable[RevisionView], status: ModelDeploymentStatus, *, version: str | None = None
) -> Registered | None:
    """What this `spec.model` was pinned to, if it was; with `version`, only if it was pinned to that version.

    Several are known where an alias was followed. The one that counts is what the spec asked for last: the version that
    was rejected, the one that is being rolled out, the live one.
    """
    known = {view.id: view for view in revisions if _answers(view, asked(model), version)}
    latest = next((id for id in (status.rejected, status.candidate, status.stable) if id in known), None)
    if latest is None and known:
        latest = max(known.values(), key=lambda view: (view.created_at is not None, view.created_at, view.id)).id
    return _registered(known[latest]) if latest else None


def _answers(view: RevisionView, question: str, version: str | None) -> bool:
    pin, record = view.spec.model.pin, view.spec.registry
    if pin is None or record is None or record.asked != question:
        return False
    return version is None or pin.version == version


def _registered(view: RevisionView) -> Registered:
    pin, record = view.spec.model.pin, view.spec.registry
    assert pin is not None
    assert record is not None
    return Registered(
        model=record.model,
        pin=pin,
        description=record.description,
        lineage=view.spec.model.lineage,
        metrics={metric.name: metric.value for metric in record.metrics},
        contract=view.spec.contract if record.signature else None,
    )
