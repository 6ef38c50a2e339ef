"""Gates that name a template, written out.

A template is read once for each rollout: what the evidence was begun with stays, so that an edit by a platform team
moves no margin under a rollout that is under way. The policy's digest is that of the gates as written out, so it covers
what came from templates.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from modelrollout.api.gates import Gate, TemplateRef
from modelrollout.api.gatetemplate import GateTemplateSpec
from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.servers import MISSING

Find = Callable[[TemplateRef], GateTemplateSpec | str]
"""The template as it is now, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    spec: ModelDeploymentSpec
    templates: Mapping[TemplateRef, GateTemplateSpec]
    unresolved: str | None


def resolve(spec: ModelDeploymentSpec, *, frozen: Mapping[TemplateRef, GateTemplateSpec], find: Find) -> Resolved:
    """`frozen` are those of the rollout under way."""
    if all(gate.template is None for gate in spec.rollout.gates):
        return Resolved(spec=spec, templates={}, unresolved=None)
    gates: list[Gate] = []
    used: dict[TemplateRef, GateTemplateSpec] = {}
    problems: list[str] = []
    for gate in spec.rollout.gates:
        if gate.template is None:
            gates.append(gate)
            continue
        template = frozen.get(gate.template) or find(gate.template)
        written = template if isinstance(template, str) else _written_out(gate, template, spec)
        if isinstance(written, str) or isinstance(template, str):
            problems.append(f"gate {gate.name}: {written}")
            continue
        gates.append(written)
        used[gate.template] = template
    rollout = spec.rollout.model_copy(update={"gates": tuple(gates)})
    return Resolved(
        spec=spec.model_copy(update={"rollout": rollout}),
        templates=used,
        unresolved="; ".join(problems) or None,
    )


def _written_out(gate: Gate, template: GateTemplateSpec, spec: ModelDeploymentSpec) -> Gate | str:
    """The gate, with its own tolerances in place of the template's; or why the two do not fit."""
    reason = MISSING.get((spec.serving.server, template.signal)) if template.query is None else None
    if reason is not None:
        return f"{gate.template}: {reason}"
    fields = template.model_dump(mode="json", exclude={"description"}, exclude_none=True)
    own = gate.model_dump(mode="json", include={"name", "weight", "tolerate", "promote_within"}, exclude_none=True)
    fields["tolerate"] = {**fields.get("tolerate", {}), **own.pop("tolerate", {})}
    try:
        return Gate.model_validate({**fields, **own})
    except ValidationError as error:
        sentences = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        return f"{gate.template}: {sentences}"
