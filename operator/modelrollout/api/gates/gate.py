"""A gate of one rollout: written out, or named from a template with tolerances of its own."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelrollout.api.base import ApiType
from modelrollout.api.gates.fields import GateFields
from modelrollout.api.route import DnsLabel
from modelrollout.api.rules import rule


class TemplateKind(StrEnum):
    NAMESPACED = "GateTemplate"
    CLUSTER = "ClusterGateTemplate"


class TemplateRef(ApiType):
    """A GateTemplate in the same namespace, or a ClusterGateTemplate."""

    kind: Annotated[TemplateKind, Field(description="GateTemplate or ClusterGateTemplate.")] = TemplateKind.NAMESPACED
    name: Annotated[DnsLabel, Field(description="Name of the template.")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Gate(GateFields):
    """One way in which the candidate must not be worse than the live version."""

    name: Annotated[DnsLabel, Field(description="Name of the gate in decisions, events and metrics.")]
    template: Annotated[
        TemplateRef | None,
        Field(description="Instead of signal: take the gate from a template. It is read once for each rollout."),
    ] = None
    weight: Annotated[
        float, Field(gt=0, le=100, description="This gate's part in the joint evidence for a rollback.")
    ] = 1.0

    @rule(
        "has(self.signal) != has(self.template)",
        "gates: set either signal or template, and not both; add or remove one of them",
    )
    def _written_out_or_named(self) -> bool:
        return (self.signal is None) != (self.template is None)

    @rule(
        "!has(self.template) || (!has(self.over) && !has(self.query) && !has(self.worse) && !has(self.max) && "
        "!has(self.min) && !has(self.failures) && !has(self.of) && !has(self.__for__) && !has(self.block) && "
        "!has(self.output) && !has(self.target) && !has(self.onDisagreement))",
        "gates: beside template only tolerate, promoteWithin and weight may stand; move the rest into the template",
    )
    def _only_tolerances_beside_a_template(self) -> bool:
        rest = (
            self.over,
            self.query,
            self.worse,
            self.max,
            self.min,
            self.failures,
            self.of,
            self.hold_for,
            self.block,
            self.output,
            self.target,
            self.on_disagreement,
        )
        return self.template is None or all(part is None for part in rest)
