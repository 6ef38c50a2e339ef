"""All that a gate says but its name: shared by gates and their templates.

One type for all signals, because a structural schema knows no unions; rules say which signal has which fields.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic.alias_generators import to_camel

from modelrollout.api.base import ApiType, Duration
from modelrollout.api.gates.margins import PromotionMargin, Tolerance
from modelrollout.api.gates.promql import ARM_PLACEHOLDERS, PARTS, Queries
from modelrollout.api.gates.signals import LIMITS, USUAL, WITHOUT_MARGINS, OnDisagreement, Signal, Usual
from modelrollout.api.observe import OutputName
from modelrollout.api.rules import rule

_SHAPES: dict[Signal, tuple[frozenset[str], ...]] = {
    Signal.ERRORS: (frozenset(),),
    Signal.LATENCY: (frozenset(),),
    Signal.RESTARTS: (frozenset(),),
    Signal.SATURATION: (frozenset(), frozenset({"value"})),
    Signal.QUALITY: (frozenset({"total", "bad"}), frozenset({"total", "good"})),
    Signal.GAUGE: (frozenset({"value"}),),
    Signal.DISTRIBUTION: (frozenset(), frozenset({"buckets"}), frozenset({"bins", "bin_label"})),
    Signal.OUTCOME: (frozenset({"total", "events"}),),
    Signal.QUERY: (frozenset({"total", "bad"}),),
    Signal.THRESHOLD: (frozenset({"value"}),),
    Signal.AGREEMENT: (frozenset(),),
}
"""Which parts of `query` a signal can have."""

_DIRECTED = (Signal.GAUGE, Signal.OUTCOME)


def _cel_list(signals: tuple[Signal, ...]) -> str:
    return "[" + ", ".join(f"'{signal}'" for signal in signals) + "]"


def _cel_shape(parts: frozenset[str]) -> str:
    return "[" + ", ".join("true" if part in parts else "false" for part in PARTS) + "]"


_CEL_SHAPES = (
    "{"
    + ", ".join(
        f"'{signal}': [{', '.join(_cel_shape(shape) for shape in shapes)}]" for signal, shapes in _SHAPES.items()
    )
    + "}"
)
_CEL_HAS = "[" + ", ".join(f"has(self.query) && has(self.query.{to_camel(part)})" for part in PARTS) + "]"
_CEL_USUAL_POINTS = "{" + ", ".join(f"'{signal}': {usual.tolerate_points}" for signal, usual in USUAL.items()) + "}"
_CEL_POINTS = (
    f"(has(self.tolerate) && has(self.tolerate.points) ? self.tolerate.points : {_CEL_USUAL_POINTS}[self.signal])"
)
_CEL_ARMS = " && ".join(
    f"(!has(self.query.{to_camel(part)}) || "
    + " || ".join(f"self.query.{to_camel(part)}.contains('{placeholder}')" for placeholder in ARM_PLACEHOLDERS)
    + ")"
    for part in PARTS
    if part != "bin_label"
)


class Direction(StrEnum):
    """Which way a number gets worse."""

    HIGHER = "Higher"
    LOWER = "Lower"


class GateFields(ApiType):
    """What is looked at, and how much worse it may be."""

    signal: Annotated[
        Signal | None,
        Field(
            description="Errors: share of failed requests. Latency: share of slow requests. Restarts: share of minutes "
            "in which a pod restarted. Quality: share of wrong answers. Outcome: business events per request. "
            "Distribution: how answers or inputs are spread. Gauge: a mean. Query: your own counters. Saturation, "
            "Threshold: a limit on one number of the candidate. Agreement: share of the requests to which candidate "
            "and live version answer the same, as spec.observe compares them."
        ),
    ] = None
    over: Annotated[
        Duration | None,
        Field(
            description="Latency only: the time beyond which a request counts as slow. When left out, candidate and "
            "live version are compared at every bucket bound."
        ),
    ] = None
    query: Annotated[Queries | None, Field(description="PromQL of your own, for the signals that need it.")] = None
    worse: Annotated[
        Direction | None, Field(description="Gauge and Outcome: whether higher or lower is the worse.")
    ] = None
    max: Annotated[float | None, Field(description="Threshold and Saturation: the largest value that is accepted.")] = (
        None
    )
    min: Annotated[float | None, Field(description="Threshold: the smallest value that is accepted.")] = None
    failures: Annotated[
        Annotated[int, Field(ge=1, le=60)] | None,
        Field(description="Threshold: looks beyond the limit that fail, of the last `of`; 1 when left out."),
    ] = None
    of: Annotated[
        Annotated[int, Field(ge=1, le=60)] | None,
        Field(description="Threshold: how many looks are counted; as many as failures when left out."),
    ] = None
    hold_for: Annotated[
        Duration | None,
        Field(alias="for", description="Saturation: how long beyond max without pause fails; 2m when left out."),
    ] = None
    block: Annotated[
        Duration | None,
        Field(
            description="Gauge: readings are averaged over so long, at least six times what the gauge needs to forget; "
            "3m when left out."
        ),
    ] = None
    output: Annotated[
        OutputName | None,
        Field(
            description="Agreement: the comparison of observe.compare that is judged, by its name; when left out, a "
            "request agrees when all its outputs do. Distribution: the output whose values the observer counts, by its "
            "name in the contract, in place of a query."
        ),
    ] = None
    target: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | None,
        Field(
            description="Agreement: share of the requests that must agree, such as 0.98, beyond how often the live "
            "version disagrees with itself."
        ),
    ] = None
    on_disagreement: Annotated[
        OnDisagreement | None,
        Field(
            description="Agreement: Hold waits for a person, who promotes, approves, rejects or rolls back; Rollback "
            "is harm like any other. Hold when left out."
        ),
    ] = None
    tolerate: Annotated[Tolerance, Field(description="How much worse is still harmless.")] = Tolerance()
    promote_within: Annotated[
        PromotionMargin | None,
        Field(
            description="How much worse it may be at most to be promoted. When left out: Errors and Query 0.5, Quality "
            "and Outcome 3, Latency 5, Distribution 6, Restarts 10 points, or twice tolerate.points if that is more."
        ),
    ] = None

    @property
    def usual(self) -> Usual:
        """Raises KeyError for a signal that counts no requests."""
        return USUAL[Signal(self.signal or "")]

    @property
    def ratio(self) -> float:
        return self.tolerate.ratio if self.tolerate.ratio is not None else self.usual.ratio

    @property
    def tolerate_points(self) -> float:
        return self.tolerate.points if self.tolerate.points is not None else self.usual.tolerate_points

    @property
    def margin_points(self) -> float:
        """Where nothing is said, the signal's own margin, kept above the tolerance and within all requests."""
        if self.promote_within is not None and self.promote_within.points is not None:
            return self.promote_within.points
        return min(100.0, max(self.usual.margin_points, 2 * self.tolerate_points))

    @rule(
        f"!has(self.over) || (has(self.signal) && self.signal == '{Signal.LATENCY}')",
        "over: only a Latency gate has a bound; remove over, or set signal: Latency",
    )
    def _only_latency_has_a_bound(self) -> bool:
        return self.over is None or self.signal is Signal.LATENCY

    @rule(
        f"!has(self.signal) || {_CEL_HAS} in {_CEL_SHAPES}[self.signal]",
        "query: its parts must be those of the signal: Query total and bad; Quality total, and bad or good; Outcome "
        "total and events; Distribution buckets, or bins and binLabel; Gauge and Threshold value; Saturation value or "
        "none; other signals have no query",
    )
    def _query_fits_the_signal(self) -> bool:
        return self.signal is None or self._parts in _SHAPES[self.signal]

    @rule(
        f"!has(self.query) || !has(self.signal) || self.signal in {_cel_list(LIMITS)} || ({_CEL_ARMS})",
        'query: each part must tell the versions apart; use {{pods}} or {{revision}} in it, such as pod=~"{{pods}}"',
    )
    def _query_tells_versions_apart(self) -> bool:
        if self.query is None or self.signal is None or self.signal in LIMITS:
            return True
        return all(any(placeholder in text for placeholder in ARM_PLACEHOLDERS) for text in self.query.texts)

    @rule(
        f"!has(self.signal) || has(self.worse) == (self.signal in {_cel_list(_DIRECTED)})",
        "worse: Gauge and Outcome need it, Higher or Lower, and other signals have none; add or remove it",
    )
    def _direction_where_needed(self) -> bool:
        return self.signal is None or (self.worse is not None) == (self.signal in _DIRECTED)

    @rule(
        f"!has(self.signal) || (self.signal == '{Signal.THRESHOLD}' ? has(self.max) != has(self.min) : "
        f"!has(self.min) && has(self.max) == (self.signal == '{Signal.SATURATION}'))",
        "max and min: Threshold needs one of them, Saturation max, and other signals have none; add or remove one",
    )
    def _limits_where_needed(self) -> bool:
        if self.signal is None:
            return True
        if self.signal is Signal.THRESHOLD:
            return (self.max is not None) != (self.min is not None)
        return self.min is None and (self.max is not None) == (self.signal is Signal.SATURATION)

    @rule(
        f"(!has(self.failures) && !has(self.of)) || (has(self.signal) && self.signal == '{Signal.THRESHOLD}' && "
        "(has(self.failures) ? self.failures : 1) <= (has(self.of) ? self.of : 60))",
        "failures and of: Threshold only, and failures must not be more than of; lower failures, or remove them",
    )
    def _looks_of_a_threshold(self) -> bool:
        if self.failures is None and self.of is None:
            return True
        return self.signal is Signal.THRESHOLD and (self.failures or 1) <= (self.of or 60)

    @rule(
        "(!has(self.__for__) || (has(self.signal) && "
        f"self.signal == '{Signal.SATURATION}')) && (!has(self.block) || (has(self.signal) && "
        f"self.signal == '{Signal.GAUGE}'))",
        "for is of Saturation only, and block of Gauge only; remove them from other signals",
    )
    def _times_where_needed(self) -> bool:
        return (self.hold_for is None or self.signal is Signal.SATURATION) and (
            self.block is None or self.signal is Signal.GAUGE
        )

    @rule(
        f"!has(self.signal) || !(self.signal in {_cel_list(WITHOUT_MARGINS)}) || (!has(self.promoteWithin) && "
        "(!has(self.tolerate) || (!has(self.tolerate.ratio) && !has(self.tolerate.points) && "
        "!has(self.tolerate.amount))))",
        "tolerate and promoteWithin: Threshold and Saturation are limits, and Agreement has a target, without "
        "tolerance; remove them, and move the limit or the target instead",
    )
    def _limits_have_no_tolerance(self) -> bool:
        return self.signal not in WITHOUT_MARGINS or (self.promote_within is None and self.tolerate == Tolerance())

    @rule(
        f"!has(self.signal) || has(self.target) == (self.signal == '{Signal.AGREEMENT}')",
        "target: Agreement needs it, a share such as 0.98, and other signals have none; add or remove it",
    )
    def _target_of_an_agreement(self) -> bool:
        return self.signal is None or (self.target is not None) == (self.signal is Signal.AGREEMENT)

    @rule(
        f"!has(self.signal) || self.signal == '{Signal.AGREEMENT}' || !has(self.onDisagreement)",
        "onDisagreement is of Agreement only; remove it from other signals",
    )
    def _only_an_agreement_has_disagreements(self) -> bool:
        return self.signal is None or self.signal is Signal.AGREEMENT or self.on_disagreement is None

    @rule(
        f"!has(self.signal) || (self.signal == '{Signal.DISTRIBUTION}' ? has(self.output) != has(self.query) : "
        f"self.signal == '{Signal.AGREEMENT}' || !has(self.output))",
        "output: Distribution needs it or a query, and not both, Agreement may have it, and other signals have none; "
        "add or remove one",
    )
    def _output_where_it_belongs(self) -> bool:
        match self.signal:
            case Signal.DISTRIBUTION:
                return (self.output is None) != (self.query is None)
            case None | Signal.AGREEMENT:
                return True
            case _:
                return self.output is None

    @rule(
        f"!has(self.signal) || !(self.signal in ['{Signal.DISTRIBUTION}', '{Signal.GAUGE}']) || !has(self.tolerate) || "
        "!has(self.tolerate.ratio)",
        "tolerate.ratio: Distribution and Gauge are judged by differences; remove ratio",
    )
    def _differences_have_no_ratio(self) -> bool:
        return self.signal not in (Signal.DISTRIBUTION, Signal.GAUGE) or self.tolerate.ratio is None

    @rule(
        f"!has(self.signal) || self.signal != '{Signal.GAUGE}' || (has(self.tolerate) && has(self.tolerate.amount) && "
        "!has(self.tolerate.points) && has(self.promoteWithin) && has(self.promoteWithin.amount) && "
        "self.promoteWithin.amount > self.tolerate.amount)",
        "a Gauge needs tolerate.amount and a greater promoteWithin.amount, in its own unit, and no points; set both",
    )
    def _gauge_has_amounts(self) -> bool:
        if self.signal is not Signal.GAUGE:
            return True
        least, most = self.tolerate.amount, self.promote_within.amount if self.promote_within else None
        return least is not None and self.tolerate.points is None and most is not None and most > least

    @rule(
        f"!has(self.signal) || self.signal == '{Signal.GAUGE}' || "
        "((!has(self.tolerate) || !has(self.tolerate.amount)) && "
        "(!has(self.promoteWithin) || !has(self.promoteWithin.amount)))",
        "amount: only a Gauge is judged in its own unit; use points, or set signal: Gauge",
    )
    def _only_a_gauge_has_amounts(self) -> bool:
        if self.signal is None or self.signal is Signal.GAUGE:
            return True
        return self.tolerate.amount is None and (self.promote_within is None or self.promote_within.amount is None)

    @rule(
        f"!has(self.signal) || !(self.signal in {_cel_list(tuple(USUAL))}) || !has(self.promoteWithin) || "
        f"!has(self.promoteWithin.points) || self.promoteWithin.points > {_CEL_POINTS}",
        "promoteWithin.points must be greater than tolerate.points (when left out: 0.1 for Errors and Query, 2 for "
        "Latency, 3 for Distribution, else 1); raise the one or lower the other",
    )
    def _margin_lies_beyond_tolerance(self) -> bool:
        if self.signal not in USUAL or self.promote_within is None or self.promote_within.points is None:
            return True
        return self.promote_within.points > self.tolerate_points

    @property
    def _parts(self) -> frozenset[str]:
        if self.query is None:
            return frozenset()
        return frozenset(part for part in PARTS if getattr(self.query, part) is not None)
