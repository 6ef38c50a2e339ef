"""Whether the registry knows what it should, as a condition of its own: it never makes a deployment unready."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from modelrollout.api.conditions import Condition, ConditionType, merge
from modelrollout.api.modelrevision import ModelRevisionStatus
from modelrollout.api.registry import registry_ref
from modelrollout.plan.observation import Observation
from modelrollout.plan.records import cut
from modelrollout.plan.write_back import difference, wish


def registry_condition(
    observation: Observation,
    *,
    stable: str | None,
    previous: str | None,
    revisions: Mapping[str, ModelRevisionStatus],
    now: datetime,
) -> tuple[Condition, ...]:
    """RegistrySynced, as of a decision that makes these revisions `stable` and `previous`, and gives them statuses.

    Nothing where no registry is involved.
    """
    pinned = any(view.spec.model.pin is not None for view in observation.revisions.values())
    if not pinned and registry_ref(observation.spec.model.uri) is None:
        return ()
    decided = replace(
        observation,
        status=observation.status.model_copy(update={"stable": stable, "previous": previous}),
        revisions={
            id: replace(view, status=revisions.get(id, view.status)) for id, view in observation.revisions.items()
        },
    )
    status, reason, message = _standing(decided)
    condition = Condition(
        type=ConditionType.REGISTRY_SYNCED,
        status=status,
        reason=reason,
        message=cut(message),
        observed_generation=observation.generation,
        last_transition_time=now,
    )
    return merge(observation.status.conditions, (condition,))


def _standing(observation: Observation) -> tuple[str, str, str]:
    told, unheard = observation.told, observation.wanted.unheard
    written = told.written if told is not None else observation.status.registry
    if told is not None and told.failed is not None:
        return ("False", *told.failed)
    if unheard is not None:
        return ("False", *unheard)
    wanted = wish(
        observation.namespace,
        observation.name,
        model=observation.spec.model,
        status=observation.status,
        revisions=observation.revisions,
        writing=observation.writing,
    )
    if difference(wanted, written) or observation.wanted.waits:
        return "Unknown", "Syncing", "the registry is being asked or told"
    aliases = ", ".join(f"{alias} is version {version}" for (_, alias), version in sorted(wanted.aliases.items()))
    return "True", "Synced", aliases or "no alias is to be written"
