"""One input or output of a contract: its type and what values of it may be."""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType
from modelrollout.api.contract.types import DataType
from modelrollout.api.rules import matching, rule

MAX_CATEGORIES = 200
MAX_DIMENSIONS = 8

FieldName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=120),
    matching(r"^[^\x00-\x1f\x7f]+$", "must be plain text without control characters"),
]
CategoryText = Annotated[str, StringConstraints(max_length=120)]
Dimension = Annotated[int, Field(ge=-1, le=2_147_483_647)]

_NUMERIC = tuple(one for one in DataType if one.numeric)
_TEXT = (DataType.CATEGORY, DataType.STRING, DataType.BYTES)


def _cel_list(types: tuple[DataType, ...]) -> str:
    return "[" + ", ".join(f"'{one}'" for one in types) + "]"


class Range(ApiType):
    """Numbers from `min` to `max`, both included; without one of them there is no end on that side."""

    min: Annotated[float | None, Field(description="Smallest value.")] = None
    max: Annotated[float | None, Field(description="Largest value.")] = None

    @rule("has(self.min) || has(self.max)", "a range needs min or max; set one of them, or remove the range")
    def _bounded(self) -> bool:
        return self.min is not None or self.max is not None

    @rule(
        "!has(self.min) || !has(self.max) || self.min <= self.max",
        "range: min must not be greater than max; exchange them",
    )
    def _not_empty(self) -> bool:
        return self.min is None or self.max is None or self.min <= self.max


class DataField(ApiType):
    """What inputs and outputs have in common."""

    name: Annotated[FieldName, Field(description="Name, as it stands in a request or an answer.")]
    type: Annotated[
        DataType,
        Field(
            description="A plain word (bool, int, float, string, category, timestamp) or a datatype of the Open "
            "Inference Protocol (FP32, INT64, BYTES and so on)."
        ),
    ]
    shape: Annotated[
        Annotated[tuple[Dimension, ...], Field(min_length=1, max_length=MAX_DIMENSIONS)] | None,
        Field(
            description="As the Open Inference Protocol gives it: the batch first, -1 for any length. When left out, "
            "each row has one value."
        ),
    ] = None
    unit: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=60)] | None,
        Field(description="Unit of the numbers, such as EUR or ms."),
    ] = None
    nullable: Annotated[bool, Field(description="Whether null is a value of it.")] = False
    range: Annotated[Range | None, Field(description="Numbers only: between which bounds they lie.")] = None
    categories: Annotated[
        Annotated[tuple[CategoryText, ...], Field(min_length=1, max_length=MAX_CATEGORIES)] | None,
        Field(description="Category, string and BYTES only: every value that there is. Write numbers as text."),
    ] = None

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row's value; empty where it is a single one."""
        return () if self.shape in (None, (1,), (-1,), (-1, 1), (1, 1)) else (self.shape or ())[1:]

    @rule(
        f"!has(self.range) || self.type in {_cel_list(_NUMERIC)}",
        "range: only numbers have one; remove it, or list categories",
    )
    def _only_numbers_have_a_range(self) -> bool:
        return self.range is None or self.type.numeric

    @rule(
        f"self.type == '{DataType.CATEGORY}' ? has(self.categories) : "
        f"(!has(self.categories) || self.type in {_cel_list(_TEXT)})",
        "categories: a field of type category lists them, and only category, string and BYTES have any; add or remove "
        "them",
    )
    def _categories_where_they_belong(self) -> bool:
        if self.type is DataType.CATEGORY:
            return self.categories is not None
        return self.categories is None or self.type in _TEXT


class InputField(DataField):
    """What a request gives."""

    required: Annotated[bool, Field(description="Whether every request has to give it.")] = True


class OutputField(DataField):
    """What an answer gives."""
