"""Reference: how the values of the training data were spread, feature by feature. No value of a row is in it.

It is made by `kubectl model profile` and kept beside the model. Numbers are in bins between quantiles, so that each bin
had about as many rows; categories are listed as far as they are common. What was missing has its own share.
"""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from modelrollout.api.base import ApiType
from modelrollout.api.contract.fields import FieldName

MAX_BINS = 20
MAX_COMMON = 20
MAX_RARE = 500
MAX_FEATURES = 300

Share = Annotated[float, Field(ge=0, le=1)]
Listed = Annotated[str, StringConstraints(max_length=120)]


class Spread(StrEnum):
    """Number: in bins between quantiles. Category: by value. Text: by its length, since its values are nobody's
    business.
    """

    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"


class FeatureReference(ApiType):
    """How one input or output was spread. Shares are of all rows, missing ones among them."""

    name: Annotated[FieldName, Field(description="Name of the input or output.")]
    spread: Annotated[Spread, Field(description="number, category or text.")]
    edges: Annotated[
        tuple[float, ...],
        Field(
            max_length=MAX_BINS + 1,
            description="Number and text: the bounds of the bins, smallest and largest value included.",
        ),
    ] = ()
    categories: Annotated[
        tuple[Listed, ...], Field(max_length=MAX_COMMON, description="Category: the common ones, each a bin.")
    ] = ()
    rare: Annotated[
        tuple[Listed, ...], Field(max_length=MAX_RARE, description="Category: the others that are known, one bin.")
    ] = ()
    ratios: Annotated[
        tuple[Share, ...],
        Field(max_length=MAX_BINS + 1, description="Share of each bin, in their order; that of the rare ones last."),
    ] = ()
    missing_ratio: Annotated[Share, Field(description="Share of rows without a value.")] = 0.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        constant = len(self.edges) == 2 and self.edges[0] == self.edges[1]
        if len(self.edges) == 1 or not (constant or all(left < right for left, right in pairwise(self.edges))):
            raise ValueError(f"{self.name}: edges must grow, and be two at least; make the reference anew")
        if len(self.ratios) != self.bins:
            raise ValueError(
                f"{self.name}: there are {len(self.ratios)} ratios for {self.bins} bins; each needs one: each stretch "
                "between two edges, or each category and the rare ones together; make the reference anew"
            )
        return self

    @property
    def bins(self) -> int:
        """Of values that training has seen; what is missing, out of range or unseen comes beside them."""
        if self.spread is Spread.CATEGORY:
            return len(self.categories) + bool(self.rare)
        return max(0, len(self.edges) - 1)


class Reference(ApiType):
    """What the training data looked like."""

    version: Annotated[Literal[1], Field(description="Of this form.")] = 1
    rows: Annotated[int, Field(ge=1, description="Rows that it was made from.")]
    dataset: Annotated[Listed | None, Field(description="Digest of the data.")] = None
    inputs: Annotated[tuple[FeatureReference, ...], Field(max_length=MAX_FEATURES, description="Each input.")] = ()
    outputs: Annotated[tuple[FeatureReference, ...], Field(max_length=MAX_FEATURES, description="Each output.")] = ()
