"""How a new revision gets into production: stages, gates, error rates, and what to do when nothing can be told."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiType, Duration, seconds
from modelrollout.api.gates import Gate, Signal, Tolerance

Weight = Annotated[int, Field(ge=1, le=99)]


class Pace(StrEnum):
    EVIDENCE = "Evidence"


class Inconclusive(StrEnum):
    PAUSE = "Pause"
    ROLLBACK = "Rollback"
    PROMOTE = "Promote"


class ShadowStage(ApiType):
    """Copies of all requests go to the candidate; nobody sees its answers."""

    min_requests: Annotated[int, Field(ge=1, le=100_000_000)] = 500
    hold_for: Duration = "30s"


class CanaryStage(ApiType):
    """A growing share of real requests, at fixed weights or as fast as the evidence allows."""

    pace: Pace | None = None
    weights: Annotated[tuple[Weight, ...], Field(min_length=1, max_length=20)] | None = None
    hold_for: Duration = "30s"
    error_budget: Annotated[float, Field(gt=0, le=1_000_000)] = 30.0

    @model_validator(mode="after")
    def _one_way_to_pace(self) -> Self:
        if self.pace is not None and self.weights is not None:
            raise ValueError("canary: set either pace: Evidence or weights, not both")
        return self

    @model_validator(mode="after")
    def _weights_grow(self) -> Self:
        weights = self.weights or ()
        if any(later <= earlier for earlier, later in pairwise(weights)):
            raise ValueError("canary.weights must be strictly growing")
        return self


class SoakStage(ApiType):
    """All traffic on the new revision, the old one kept warm."""

    hold_for: Duration = Field(default="10m", alias="for")


class Stage(ApiType):
    """One entry of `stages`; it holds one of these keys."""

    shadow: ShadowStage | None = None
    canary: CanaryStage | None = None
    soak: SoakStage | None = None

    @property
    def kind(self) -> str:
        return next(name for name in ("shadow", "canary", "soak") if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.shadow, self.canary, self.soak)) != 1:
            raise ValueError("each stage holds exactly one of shadow, canary, soak")
        return self


class ErrorRates(ApiType):
    """P(ever rolled back | harmless) and P(ever promoted | harmful throughout), at any number of looks."""

    false_rollback: Annotated[float, Field(ge=0.0001, le=0.2)] = 0.01
    false_promotion: Annotated[float, Field(ge=0.0001, le=0.2)] = 0.05


DEFAULT_GATES = (
    Gate(name="errors", signal=Signal.ERRORS),
    Gate(name="latency", signal=Signal.LATENCY, over="500ms", tolerate=Tolerance(points=2.0)),
)
_ORDER = ("shadow", "canary", "soak")


class Rollout(ApiType):
    stages: Annotated[tuple[Stage, ...], Field(max_length=3)] = ()
    gates: Annotated[tuple[Gate, ...], Field(min_length=1, max_length=16)] = DEFAULT_GATES
    interval: Duration = "5s"
    warmup: Duration = "60s"
    error_rates: ErrorRates = ErrorRates()
    max_duration: Duration = "2h"
    on_inconclusive: Inconclusive = Inconclusive.PAUSE

    @model_validator(mode="after")
    def _stages_in_order(self) -> Self:
        kinds = [stage.kind for stage in self.stages]
        if kinds != sorted(set(kinds), key=_ORDER.index):
            raise ValueError("stages must come in the order shadow, canary, soak, each at most once")
        return self

    @model_validator(mode="after")
    def _gate_names_differ(self) -> Self:
        if len({gate.name for gate in self.gates}) != len(self.gates):
            raise ValueError("gates: each gate needs a name of its own")
        return self

    @model_validator(mode="after")
    def _interval_is_sensible(self) -> Self:
        if not 1 <= seconds(self.interval) <= 300:
            raise ValueError("interval must be between 1s and 5m")
        return self
