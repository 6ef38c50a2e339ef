"""The pod template: the user's own, kept as it was written, with only those parts checked that the operator relies on.

Everything else in it is the pod's own API, which the API server judges when the Deployment is applied. So the template
stays a plain dictionary in Python: reading it must not reorder, default or drop anything, or the revision would change.
"""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from modelrollout.api.base import ApiType
from modelrollout.api.group import GROUP
from modelrollout.api.route import DnsLabel
from modelrollout.api.rules import rule

OWN_LABEL_PREFIX = f"{GROUP}/"


class _Open(ApiType):
    """What is not declared is kept."""

    model_config = ConfigDict(extra="allow")


class Container(_Open):
    """A container as in any pod. The field manager of one container can leave the others alone."""

    name: Annotated[DnsLabel, Field(description="Name of the container, unique in the pod.")]


class PodSpec(_Open):
    """A pod's spec, as in a Deployment."""

    containers: Annotated[
        tuple[Container, ...],
        Field(
            min_length=1,
            max_length=32,
            description="The model server and what runs beside it; at least one.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]

    @rule(
        "self.containers.all(one, self.containers.exists_one(other, other.name == one.name))",
        "containers: each container needs a name of its own; rename one of them",
    )
    def _container_names_differ(self) -> bool:
        return len({container.name for container in self.containers}) == len(self.containers)


class PodMetadata(_Open):
    """Labels and annotations of the pods."""

    labels: Annotated[
        dict[str, Annotated[str, StringConstraints(max_length=63)]] | None,
        Field(max_length=64, description=f"Labels of the pods, beside those of the operator ({OWN_LABEL_PREFIX}…)."),
    ] = None


class PodTemplate(_Open):
    """A pod template, as in a Deployment. Each change of it is a new revision."""

    metadata: Annotated[PodMetadata | None, Field(description="Labels and annotations of the pods.")] = None
    spec: Annotated[PodSpec, Field(description="The pods' spec, as in a Deployment.")]

    @rule(
        "!has(self.metadata) || !has(self.metadata.labels) || "
        f"self.metadata.labels.all(key, !key.startsWith('{OWN_LABEL_PREFIX}'))",
        f"metadata.labels: labels that start with {OWN_LABEL_PREFIX} are the operator's; remove them from the template",
    )
    def _leaves_our_labels_alone(self) -> bool:
        labels = (self.metadata.labels if self.metadata else None) or {}
        return not any(key.startswith(OWN_LABEL_PREFIX) for key in labels)


class Checked:
    """Marks a dictionary that must have the shape of `shape`, and that stays the dictionary that it was."""

    def __init__(self, shape: type[ApiType]) -> None:
        self.shape = shape

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def keep(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
            validate(value)
            return value

        return core_schema.no_info_wrap_validator_function(
            keep, handler.generate_schema(self.shape), serialization=core_schema.simple_ser_schema("any")
        )


Template = Annotated[dict[str, Any], Checked(PodTemplate)]
