"""How a new revision gets into production: stages, gates, error rates, and what to do when nothing can be told."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.alerts import MAX_ALERT_POLICIES, AlertPolicy, names_differ
from modelrollout.api.base import ApiType, Duration, seconds
from modelrollout.api.durations import DURATION_PATTERN
from modelrollout.api.gates import Gate, PromotionMargin, Signal, Tolerance
from modelrollout.api.route import DnsLabel
from modelrollout.api.rules import Rule, rule

Weight = Annotated[int, Field(ge=1, le=99)]


class Pace(StrEnum):
    EVIDENCE = "Evidence"


class Inconclusive(StrEnum):
    PAUSE = "Pause"
    ROLLBACK = "Rollback"
    PROMOTE = "Promote"


class ShadowStage(ApiType):
    """Copies of all requests go to the candidate; nobody sees its answers."""

    min_requests: Annotated[
        int, Field(ge=1, le=100_000_000, description="Copied requests that the candidate must answer first.")
    ] = 500
    hold_for: Annotated[Duration, Field(description="Least time in this stage.")] = "30s"


class ReviewStage(ApiType):
    """Waits for a person to approve the candidate, before users get any answer of it."""

    role: Annotated[
        DnsLabel | None,
        Field(
            description="The approval must be given in this role: its author holds the verb approve-ROLE as well as "
            "approve. Without it, approve alone will do."
        ),
    ] = None


class CanaryStage(ApiType):
    """A growing share of real requests, at fixed weights or as fast as the evidence allows."""

    pace: Annotated[
        Pace | None,
        Field(description="Evidence: the share grows as fast as the evidence allows. The default without weights."),
    ] = None
    weights: Annotated[
        Annotated[tuple[Weight, ...], Field(min_length=1, max_length=20)] | None,
        Field(description="Shares of the candidate in whole percent, strictly growing; instead of pace."),
    ] = None
    hold_for: Annotated[Duration, Field(description="Least time at each weight.")] = "30s"
    error_budget: Annotated[
        float,
        Field(gt=0, le=1_000_000, description="With pace: Evidence, excess errors that one interval may cost at most."),
    ] = 30.0

    @rule(
        "!(has(self.pace) && has(self.weights))",
        "canary: set either pace: Evidence or weights, not both; remove one of them",
    )
    def _one_way_to_pace(self) -> bool:
        return self.pace is None or self.weights is None

    @rule(
        "!has(self.weights) || (self.weights.isSorted() && "
        "self.weights.all(one, self.weights.exists_one(other, other == one)))",
        "canary.weights must be strictly growing; put them in order and remove repeated ones, such as [1, 5, 25, 50]",
    )
    def _weights_grow(self) -> bool:
        weights = self.weights or ()
        return all(earlier < later for earlier, later in pairwise(weights))


class SoakStage(ApiType):
    """All traffic on the new revision, or all but a share that is held back; the old one kept warm."""

    hold_for: Annotated[Duration, Field(alias="for", description="How long the old revision is kept warm.")] = "10m"
    holdback: Annotated[
        int | None,
        Field(
            ge=1,
            le=50,
            description="Share of requests in whole percent that stays on the old revision until the soak ends, so "
            "that gates go on comparing; needs a route. Without it, only limits and the pods themselves are watched.",
        ),
    ] = None


class OfflineGate(ApiType):
    """A metric of the registry in which the candidate must not be worse than the live version."""

    metric: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=200)],
        Field(description="Name of the metric, as the training run or the logged model calls it, such as f1."),
    ]
    higher_is_better: Annotated[bool, Field(description="Whether a larger value is better; false for a loss.")] = True
    tolerate: Annotated[
        float,
        Field(ge=0, le=1_000_000_000, description="How much worse the candidate may be, in the metric's own unit."),
    ] = 0.0


class Stage(ApiType):
    """One entry of `stages`; it holds one of these keys."""

    shadow: Annotated[
        ShadowStage | None, Field(description="Copies of all requests go to the candidate; needs a route.")
    ] = None
    review: Annotated[
        ReviewStage | None, Field(description="Waits for a RolloutAction of a person who may approve.")
    ] = None
    canary: Annotated[CanaryStage | None, Field(description="A growing share of real requests.")] = None
    soak: Annotated[
        SoakStage | None, Field(description="All requests go to the new revision, with the old one kept warm.")
    ] = None

    @property
    def kind(self) -> str:
        return next(name for name in _ORDER if getattr(self, name) is not None)

    @rule(
        "[has(self.shadow), has(self.review), has(self.canary), has(self.soak)].exists_one(given, given)",
        "each stage holds exactly one of shadow, review, canary, soak; write each as a list entry of its own, with {} "
        "where its defaults will do",
    )
    def _exactly_one(self) -> bool:
        return sum(value is not None for value in (self.shadow, self.review, self.canary, self.soak)) == 1


# A rule and not bounds of the schema: the API server compares whole numbers with bounds cut to whole numbers, so that a
# bound of 0.0001 would let 0 pass.
ErrorRate = Annotated[
    float,
    Field(ge=0, le=1),
    Rule(
        cel="self >= 0.0001 && self <= 0.2",
        message="must be a fraction from 0.0001 to 0.2, such as 0.01 for one rollout in a hundred",
        holds=lambda rate: 0.0001 <= rate <= 0.2,
    ),
]


class ErrorRates(ApiType):
    """P(ever rolled back | harmless) and P(ever promoted | harmful throughout), at any number of looks."""

    false_rollback: Annotated[
        ErrorRate, Field(description="Chance that a harmless version is ever rolled back, at most.")
    ] = 0.01
    false_promotion: Annotated[
        ErrorRate, Field(description="Chance that a harmful version is ever promoted, at most.")
    ] = 0.05


# What the signals default to, spelt out: people read it in the object after applying it.
DEFAULT_GATES = (
    Gate(
        name="errors",
        signal=Signal.ERRORS,
        tolerate=Tolerance(ratio=1.1, points=0.1),
        promote_within=PromotionMargin(points=0.5),
    ),
    Gate(
        name="latency",
        signal=Signal.LATENCY,
        over="500ms",
        tolerate=Tolerance(ratio=1.0, points=2.0),
        promote_within=PromotionMargin(points=5.0),
    ),
)
_ORDER = ("shadow", "review", "canary", "soak")

Interval = Annotated[
    Duration,
    Rule(
        # What is no duration at all has been told so by the rule before.
        cel=f"!self.matches(r'{DURATION_PATTERN}') || "
        "(duration(self) >= duration('1s') && duration(self) <= duration('5m'))",
        message="interval must be between 1s and 5m",
        holds=lambda interval: 1 <= seconds(interval) <= 300,
    ),
]


class Rollout(ApiType):
    """How a new revision gets into production."""

    stages: Annotated[
        tuple[Stage, ...],
        Field(
            max_length=4,
            description="Stages in the order shadow, review, canary, soak; each may be left out. "
            "All left out: shadow (if there is a route), canary, soak.",
        ),
    ] = ()
    gates: Annotated[
        tuple[Gate, ...],
        Field(
            min_length=1,
            max_length=16,
            description="What the candidate must not be worse in. Any failing gate rolls back; all must pass to go on.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = DEFAULT_GATES
    alerts: Annotated[
        tuple[AlertPolicy, ...],
        Field(
            max_length=MAX_ALERT_POLICIES,
            description="Alerts that take the new version back at once when they fire, or ask a person.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    offline: Annotated[
        tuple[OfflineGate, ...],
        Field(
            max_length=16,
            description="Metrics of the model registry in which the candidate is compared with the live version before "
            "it gets any pod. One that is worse is rejected; one that is missing holds, and after maxDuration "
            "onInconclusive decides.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]},
        ),
    ] = ()
    interval: Annotated[Interval, Field(description="How often the evidence is looked at, from 1s to 5m.")] = "5s"
    warmup: Annotated[
        Duration, Field(description="Time after a candidate pod's start in which its requests are not judged.")
    ] = "60s"
    error_rates: Annotated[ErrorRates, Field(description="How often a rollout may end wrongly.")] = ErrorRates()
    max_duration: Annotated[
        Duration, Field(description="How long a rollout may take before onInconclusive decides.")
    ] = "2h"
    error_budget: Annotated[
        Annotated[float, Field(gt=0, le=100_000_000)] | None,
        Field(
            description="Requests that the canary may spoil beyond tolerance in the whole rollout. What is left of it "
            "bounds each next step; when it is spent, onInconclusive decides. Unlimited when left out."
        ),
    ] = None
    on_inconclusive: Annotated[Inconclusive, Field(description="What to do when nothing can be told for too long.")] = (
        Inconclusive.PAUSE
    )

    @rule(
        "!has(self.stages) || "
        "(self.stages.map(stage, has(stage.shadow) ? 1 : has(stage.review) ? 2 : has(stage.canary) ? 3 : 4).isSorted() "
        "&& self.stages.filter(stage, has(stage.shadow)).size() <= 1 && "
        "self.stages.filter(stage, has(stage.review)).size() <= 1 && "
        "self.stages.filter(stage, has(stage.canary)).size() <= 1 && "
        "self.stages.filter(stage, has(stage.soak)).size() <= 1)",
        "stages must come in the order shadow, review, canary, soak, each at most once; reorder them or remove the "
        "second",
    )
    def _stages_in_order(self) -> bool:
        kinds = [stage.kind for stage in self.stages]
        return kinds == sorted(set(kinds), key=_ORDER.index)

    @rule(
        # The API server judges the default {} of the whole rollout before it fills it in, so gates can be absent.
        "!has(self.gates) || self.gates.all(one, self.gates.exists_one(other, other.name == one.name))",
        "gates: each gate needs a name of its own; rename one of them",
    )
    def _gate_names_differ(self) -> bool:
        return len({gate.name for gate in self.gates}) == len(self.gates)

    @rule(
        "!has(self.alerts) || self.alerts.all(one, self.alerts.exists_one(other, other.name == one.name))",
        "alerts: each entry needs a name of its own; rename one of them",
    )
    def _alert_names_differ(self) -> bool:
        return names_differ(self.alerts)

    @rule(
        "!has(self.offline) || self.offline.all(one, self.offline.exists_one(other, other.metric == one.metric))",
        "offline: each metric is compared once; remove the second",
    )
    def _offline_metrics_differ(self) -> bool:
        return len({gate.metric for gate in self.offline}) == len(self.offline)
