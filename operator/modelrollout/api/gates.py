"""What "worse" means, gate by gate.

Two lines, both on the excess of the candidate over the live version: below `tolerate` the difference is accepted,
beyond `promoteWithin` it must not go live, and between them either end is fine, so that every truth comes to an end.
Points are percentage points of all requests.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelrollout.api.base import ApiType, Duration
from modelrollout.api.route import DnsLabel
from modelrollout.api.rules import rule


class Signal(StrEnum):
    ERRORS = "Errors"
    LATENCY = "Latency"


class Tolerance(ApiType):
    """Harmless as long as p_candidate <= ratio * p_stable + points / 100."""

    ratio: Annotated[
        Annotated[float, Field(ge=1, le=100)] | None,
        Field(description="Factor on the live version's rate that is accepted; Errors 1.1, Latency 1 when left out."),
    ] = None
    points: Annotated[
        Annotated[float, Field(ge=0, lt=100)] | None,
        Field(description="Percentage points above that which are accepted; Errors 0.1, Latency 2 when left out."),
    ] = None


class PromotionMargin(ApiType):
    """The candidate must be shown to stay within this margin before it is promoted."""

    points: Annotated[
        float, Field(ge=0, le=100, description="Percentage points above ratio times the live version's rate.")
    ]


_DEFAULT_RATIO = {Signal.ERRORS: 1.1, Signal.LATENCY: 1.0}
_DEFAULT_POINTS = {Signal.ERRORS: 0.1, Signal.LATENCY: 2.0}
_DEFAULT_MARGIN = {Signal.ERRORS: 0.5, Signal.LATENCY: 5.0}
_CEL_DEFAULT_POINTS = (
    f"(self.signal == '{Signal.LATENCY}' ? {_DEFAULT_POINTS[Signal.LATENCY]} : {_DEFAULT_POINTS[Signal.ERRORS]})"
)


class Gate(ApiType):
    """One way in which the candidate must not be worse than the live version."""

    name: Annotated[DnsLabel, Field(description="Name of the gate in decisions, events and metrics.")]
    signal: Annotated[
        Signal,
        Field(description="Errors: share of failed requests. Latency: share of requests that took longer than over."),
    ]
    over: Annotated[
        Duration | None, Field(description="Latency only: the time beyond which a request counts as slow.")
    ] = None
    tolerate: Annotated[Tolerance, Field(description="How much worse is still harmless.")] = Tolerance()
    promote_within: Annotated[
        PromotionMargin | None,
        Field(
            description="How much worse it may be at most to be promoted. When left out: Errors 0.5, Latency 5 points, "
            "or twice tolerate.points if that is more."
        ),
    ] = None
    weight: Annotated[
        float, Field(gt=0, le=100, description="This gate's part in the joint evidence for a rollback.")
    ] = 1.0

    @property
    def ratio(self) -> float:
        return self.tolerate.ratio if self.tolerate.ratio is not None else _DEFAULT_RATIO[self.signal]

    @property
    def tolerate_points(self) -> float:
        return self.tolerate.points if self.tolerate.points is not None else _DEFAULT_POINTS[self.signal]

    @property
    def margin_points(self) -> float:
        """Where nothing is said, the signal's own margin, kept above the tolerance and within all requests."""
        if self.promote_within is not None:
            return self.promote_within.points
        return min(100.0, max(_DEFAULT_MARGIN[self.signal], 2 * self.tolerate_points))

    @rule(
        f"self.signal != '{Signal.LATENCY}' || has(self.over)",
        "over: a Latency gate needs the bound that it judges; add over, such as over: 250ms",
    )
    def _latency_has_a_bound(self) -> bool:
        return self.signal is not Signal.LATENCY or self.over is not None

    @rule(
        f"self.signal == '{Signal.LATENCY}' || !has(self.over)",
        "over: only a Latency gate has a bound; remove over, or set signal: Latency",
    )
    def _only_latency_has_a_bound(self) -> bool:
        return self.signal is Signal.LATENCY or self.over is None

    @rule(
        "!has(self.promoteWithin) || self.promoteWithin.points > "
        f"(has(self.tolerate) && has(self.tolerate.points) ? self.tolerate.points : {_CEL_DEFAULT_POINTS})",
        "promoteWithin.points must be greater than tolerate.points "
        f"({_DEFAULT_POINTS[Signal.ERRORS]:g} for Errors and {_DEFAULT_POINTS[Signal.LATENCY]:g} for Latency when left "
        "out); raise the one or lower the other",
    )
    def _margin_lies_beyond_tolerance(self) -> bool:
        return self.margin_points > self.tolerate_points
