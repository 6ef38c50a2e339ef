"""GateTemplate and ClusterGateTemplate: a gate that a platform team writes once, and rollouts name."""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiObject
from modelrollout.api.gates import GateFields, Signal


class GateTemplateSpec(GateFields):
    """All of a gate but its name and weight. A gate that names the template may set tolerances of its own."""

    signal: Annotated[Signal, Field(description="What is looked at; see the gates of a ModelDeployment.")]
    description: Annotated[
        Annotated[str, StringConstraints(max_length=400)] | None,
        Field(description="What the gate is for, for people."),
    ] = None


class GateTemplate(ApiObject):
    """A reusable gate of one namespace. A rollout reads it once, when its comparison begins."""

    spec: Annotated[GateTemplateSpec, Field(description="The gate.")]


class ClusterGateTemplate(ApiObject):
    """A reusable gate for all namespaces. A rollout reads it once, when its comparison begins."""

    spec: Annotated[GateTemplateSpec, Field(description="The gate.")]
