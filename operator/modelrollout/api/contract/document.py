"""The contract as a document: a versioned form, kept with each revision as it was when the revision was made."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType, Preserved
from modelrollout.api.contract.fields import InputField, OutputField
from modelrollout.api.rules import rule

MAX_INPUTS = 300
MAX_OUTPUTS = 50
_BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def _cel_distinct(field: str) -> str:
    return f"!has(self.{field}) || self.{field}.all(one, self.{field}.exists_one(other, other.name == one.name))"


class Contract(ApiType):
    """What a model takes and gives."""

    version: Annotated[Literal[1], Field(description="Of this form.")] = 1
    inputs: Annotated[
        tuple[InputField, ...],
        Field(max_length=MAX_INPUTS, description="What requests give.", json_schema_extra=_BY_NAME),
    ] = ()
    outputs: Annotated[
        tuple[OutputField, ...],
        Field(max_length=MAX_OUTPUTS, description="What answers give.", json_schema_extra=_BY_NAME),
    ] = ()
    feature_pipeline: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=200)] | None,
        Field(
            description="Hash or version of the code that made the features for training. Where the pod template's "
            "annotation modelrollout.dev/feature-pipeline says another one, the version is not rolled out."
        ),
    ] = None
    example: Annotated[
        Preserved | None,
        Field(description="One row that the model must be able to answer: values by the names of the inputs."),
    ] = None

    @rule(
        "has(self.inputs) || has(self.outputs) || has(self.featurePipeline)",
        "a contract names inputs, outputs or a featurePipeline; add what the model takes and gives",
    )
    def _says_something(self) -> bool:
        return bool(self.inputs or self.outputs or self.feature_pipeline)

    @rule(_cel_distinct("inputs"), "inputs: each input needs a name of its own; rename one of them")
    def _inputs_differ(self) -> bool:
        return len({one.name for one in self.inputs}) == len(self.inputs)

    @rule(_cel_distinct("outputs"), "outputs: each output needs a name of its own; rename one of them")
    def _outputs_differ(self) -> bool:
        return len({one.name for one in self.outputs}) == len(self.outputs)

    @rule(
        "!has(self.example) || has(self.inputs)",
        "example: a row is told by the names of the inputs; add inputs, or remove the example",
    )
    def _an_example_has_inputs(self) -> bool:
        return self.example is None or bool(self.inputs)
