"""What "worse" means, gate by gate.

Two lines, both on the excess of the candidate over the live version: below `tolerate` the difference is accepted,
beyond `promoteWithin` it must not go live, and between them either end is fine, so that every truth comes to an end.
Points are percentage points of all requests.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiType, Duration
from modelrollout.api.route import DnsLabel

Points = Annotated[float, Field(ge=0, le=100)]


class Signal(StrEnum):
    ERRORS = "Errors"
    LATENCY = "Latency"


class Tolerance(ApiType):
    """Harmless as long as p_candidate <= ratio * p_stable + points / 100."""

    ratio: Annotated[float, Field(ge=1, le=100)] | None = None
    points: Points | None = None


class PromotionMargin(ApiType):
    points: Points


_DEFAULT_RATIO = {Signal.ERRORS: 1.1, Signal.LATENCY: 1.0}
_DEFAULT_POINTS = {Signal.ERRORS: 0.1, Signal.LATENCY: 2.0}
_DEFAULT_MARGIN = {Signal.ERRORS: 0.5, Signal.LATENCY: 5.0}


class Gate(ApiType):
    name: DnsLabel
    signal: Signal
    over: Duration | None = None
    tolerate: Tolerance = Tolerance()
    promote_within: PromotionMargin | None = None
    weight: Annotated[float, Field(gt=0, le=100)] = 1.0

    @property
    def ratio(self) -> float:
        return self.tolerate.ratio if self.tolerate.ratio is not None else _DEFAULT_RATIO[self.signal]

    @property
    def tolerate_points(self) -> float:
        return self.tolerate.points if self.tolerate.points is not None else _DEFAULT_POINTS[self.signal]

    @property
    def margin_points(self) -> float:
        """Where nothing is said, the signal's own margin, kept above the tolerance."""
        if self.promote_within is not None:
            return self.promote_within.points
        return max(_DEFAULT_MARGIN[self.signal], 2 * self.tolerate_points)

    @model_validator(mode="after")
    def _bound_belongs_to_latency(self) -> Self:
        if self.signal is Signal.LATENCY and self.over is None:
            raise ValueError("over: a Latency gate needs the bound that it judges, such as over: 250ms")
        if self.signal is not Signal.LATENCY and self.over is not None:
            raise ValueError("over: only a Latency gate has a bound; remove over, or set signal: Latency")
        return self

    @model_validator(mode="after")
    def _margin_lies_beyond_tolerance(self) -> Self:
        if self.margin_points <= self.tolerate_points:
            raise ValueError("promoteWithin.points must be greater than tolerate.points")
        return self
