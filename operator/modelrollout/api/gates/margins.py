"""How much worse is harmless, and how much worse it may be at most to be promoted."""

from typing import Annotated

from pydantic import Field

from modelrollout.api.base import ApiType
from modelrollout.api.rules import rule

_Amount = Annotated[float, Field(ge=0)]


class Tolerance(ApiType):
    """Harmless as long as p_candidate <= ratio * p_stable + points / 100, or mean_candidate <= mean_stable + amount."""

    ratio: Annotated[
        Annotated[float, Field(ge=1, le=100)] | None,
        Field(
            description="Factor on the live version's rate that is accepted; when left out: Errors and Query 1.1, "
            "Restarts 2, others 1."
        ),
    ] = None
    points: Annotated[
        Annotated[float, Field(ge=0, lt=100)] | None,
        Field(
            description="Percentage points above that which are accepted; when left out: Errors and Query 0.1, "
            "Latency 2, Distribution 3, others 1."
        ),
    ] = None
    amount: Annotated[
        _Amount | None, Field(description="Gauge only: the accepted difference of the means, in the gauge's own unit.")
    ] = None


class PromotionMargin(ApiType):
    """The candidate must be shown to stay within this margin before it is promoted."""

    points: Annotated[
        Annotated[float, Field(ge=0, le=100)] | None,
        Field(description="Percentage points above ratio times the live version's rate."),
    ] = None
    amount: Annotated[
        _Amount | None, Field(description="Gauge only: the largest difference of the means, in the gauge's own unit.")
    ] = None

    @rule(
        "has(self.points) != has(self.amount)",
        "promoteWithin: set points, or amount for a Gauge, and not both; add or remove one",
    )
    def _one_margin(self) -> bool:
        return (self.points is None) != (self.amount is None)
