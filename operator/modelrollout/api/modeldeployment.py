"""ModelDeployment: the model that should be live, how it is served, how it is rolled out."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from modelrollout.api.base import ApiType
from modelrollout.api.conditions import Condition
from modelrollout.api.model import Model
from modelrollout.api.rollout import CanaryStage, Rollout, ShadowStage, SoakStage
from modelrollout.api.route import Route
from modelrollout.api.serving import Serving

MAX_NAME_LENGTH = 40
"""Children are called NAME-REVISION, and pods append up to 17 characters to that; labels end at 63."""

RevisionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{10}$")]


class ModelDeploymentSpec(ApiType):
    model: Model
    serving: Serving
    route: Route | None = None
    rollout: Rollout = Rollout()

    @property
    def shadow(self) -> ShadowStage | None:
        if not self.rollout.stages:
            return ShadowStage() if self.route else None
        return next((stage.shadow for stage in self.rollout.stages if stage.shadow), None)

    @property
    def canary(self) -> CanaryStage | None:
        if not self.rollout.stages:
            return CanaryStage()
        return next((stage.canary for stage in self.rollout.stages if stage.canary), None)

    @property
    def soak(self) -> SoakStage | None:
        if not self.rollout.stages:
            return SoakStage()
        return next((stage.soak for stage in self.rollout.stages if stage.soak), None)

    @model_validator(mode="after")
    def _shadow_needs_a_route(self) -> Self:
        if self.route is None and any(stage.shadow for stage in self.rollout.stages):
            raise ValueError("rollout.stages: shadow needs a route to copy requests from; set route, or remove shadow")
        return self


class StageName(StrEnum):
    """Where the deployment is. `Live`: no rollout is under way."""

    INSTALL = "Install"
    SHADOW = "Shadow"
    CANARY = "Canary"
    SOAK = "Soak"
    LIVE = "Live"


class ModelDeploymentStatus(ApiType):
    """All that the next decision needs beside the revisions' own status.

    `stable` and `candidate` are short digests. `weight` is the candidate's share in whole percent. `rejected` is the
    newest revision that was rolled back; it is not tried again while the spec still names it.
    """

    observed_generation: Annotated[int, Field(ge=0)] = 0
    stage: StageName | None = None
    stable: RevisionId | None = None
    stable_version: str | None = None
    candidate: RevisionId | None = None
    candidate_version: str | None = None
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    rollout_started_at: datetime | None = None
    stage_started_at: datetime | None = None
    weight_changed_at: datetime | None = None
    rejected: RevisionId | None = None
    replicas: Annotated[int, Field(ge=0)] = 0
    ready_replicas: Annotated[int, Field(ge=0)] = 0
    conditions: Annotated[tuple[Condition, ...], Field(max_length=12)] = ()


class ModelDeployment(ApiType):
    """The parts of the object that the operator reads; metadata stays with the caller."""

    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()
