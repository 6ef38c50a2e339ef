"""ModelDeployment: the model that should be live, how it is served, how it is rolled out."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from modelrollout.api.alerts import MAX_ALERT_POLICIES, FiredAlert
from modelrollout.api.base import ApiObject, ApiType
from modelrollout.api.conditions import Condition
from modelrollout.api.config import Config, Document, Sha256
from modelrollout.api.contract import ContractSource
from modelrollout.api.gates import Signal
from modelrollout.api.model import Model
from modelrollout.api.observe import (
    AGREEMENT_NAMES_A_COMPARISON,
    AGREEMENT_NEEDS_OBSERVE,
    DISTRIBUTION_NEEDS_A_REFERENCE,
    NEEDS_ROUTE,
    Observe,
)
from modelrollout.api.registry import WrittenBack
from modelrollout.api.revision import RevisionId
from modelrollout.api.rollout import CanaryStage, ReviewStage, Rollout, ShadowStage, SoakStage
from modelrollout.api.rolloutaction import Answer, Person, Verb
from modelrollout.api.route import DnsLabel, Route
from modelrollout.api.rules import Rule, rule
from modelrollout.api.servers import missing
from modelrollout.api.serving import Server, Serving

MAX_NAME_LENGTH = 40
"""Children are called NAME-REVISION, and pods append up to 17 characters to that; labels end at 63."""

NAME_RULES = (
    Rule(
        cel=f"size(self.metadata.name) <= {MAX_NAME_LENGTH}",
        message=f"metadata.name must have at most {MAX_NAME_LENGTH} characters, because the names of pods are made "
        "from it; choose a shorter one",
        holds=lambda name: len(name) <= MAX_NAME_LENGTH,
    ),
    Rule(
        cel="!self.metadata.name.endsWith('-observer')",
        message="metadata.name must not end with -observer, because the Service of an observer is called so; rename "
        "the ModelDeployment",
        holds=lambda name: not name.endswith("-observer"),
    ),
    Rule(
        cel="self.metadata.name.matches(r'^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        message="metadata.name must start with a letter and hold only lower-case letters, digits and hyphens, because "
        "a Service gets the same name; rename the ModelDeployment",
        holds=lambda name: re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) is not None,
    ),
)
"""What a ModelDeployment may be called, where Kubernetes would allow more."""

VersionText = Annotated[str, StringConstraints(max_length=60)]


class ModelDeploymentSpec(ApiType):
    """The model that should be live, how it is served, and how a new version gets there."""

    model: Annotated[Model, Field(description="The model version that should be live. Changing it starts a rollout.")]
    config: Annotated[
        Config, Field(description="What the pods read beside the model. Editing it starts a rollout.")
    ] = Config()
    contract: Annotated[
        ContractSource | None, Field(description="What the model takes and gives; kept with each revision.")
    ] = None
    reference: Annotated[
        Document | None,
        Field(
            description="How the training data were spread, as kubectl model profile writes it; kept with each "
            "revision."
        ),
    ] = None
    card: Annotated[
        Document | None, Field(description="What the model is for and who answers for it; kept with each revision.")
    ] = None
    serving: Annotated[Serving, Field(description="How it is served: server, capacity and pods.")]
    route: Annotated[
        Route | None,
        Field(
            description="The gateways that carry the traffic. Without it, the ratio of pods behind one Service shares "
            "the traffic, and there is no shadow stage."
        ),
    ] = None
    rollout: Annotated[Rollout, Field(description="How a new version gets into production.")] = Rollout()
    observe: Annotated[
        Observe | None,
        Field(
            description="Compares the answers of candidate and live version to the same requests, beside the path of "
            "requests. Nothing is compared when left out."
        ),
    ] = None
    revision_history_limit: Annotated[
        int,
        Field(
            ge=2,
            le=100,
            description="Revisions that are kept. The live one, the one before it and those of a rollout under way "
            "stay whatever it says.",
        ),
    ] = 10

    @property
    def shadow(self) -> ShadowStage | None:
        if not self.rollout.stages:
            return ShadowStage() if self.route else None
        return next((stage.shadow for stage in self.rollout.stages if stage.shadow), None)

    @property
    def review(self) -> ReviewStage | None:
        return next((stage.review for stage in self.rollout.stages if stage.review), None)

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

    _kserve_errors = missing(Server.KSERVE, Signal.ERRORS)
    _kserve_saturation = missing(Server.KSERVE, Signal.SATURATION)
    _mlserver_saturation = missing(Server.MLSERVER, Signal.SATURATION)
    _custom_errors = missing(Server.CUSTOM, Signal.ERRORS)
    _custom_latency = missing(Server.CUSTOM, Signal.LATENCY)
    _custom_saturation = missing(Server.CUSTOM, Signal.SATURATION)
    _observe_needs_a_route = NEEDS_ROUTE
    _agreement_needs_observe = AGREEMENT_NEEDS_OBSERVE
    _agreement_names_a_comparison = AGREEMENT_NAMES_A_COMPARISON
    _distribution_needs_a_reference = DISTRIBUTION_NEEDS_A_REFERENCE

    @rule(
        "has(self.route) || !has(self.rollout.stages) || self.rollout.stages.all(stage, !has(stage.shadow))",
        "rollout.stages: shadow needs a route to copy requests from; set route, or remove shadow",
    )
    def _shadow_needs_a_route(self) -> bool:
        return self.route is not None or not any(stage.shadow for stage in self.rollout.stages)

    @rule(
        "has(self.route) || !has(self.rollout.stages) || "
        "self.rollout.stages.all(stage, !has(stage.soak) || !has(stage.soak.holdback))",
        "rollout.stages: soak.holdback needs a route, which gives each version its share; set route, or remove "
        "holdback",
    )
    def _holdback_needs_a_route(self) -> bool:
        return self.route is not None or not any(stage.soak and stage.soak.holdback for stage in self.rollout.stages)


class StageName(StrEnum):
    """Where the deployment is. `Live`: no rollout is under way. `Rollback`: on the way from what was live to an earlier
    revision.
    """

    INSTALL = "Install"
    EVALUATE = "Evaluate"
    SHADOW = "Shadow"
    REVIEW = "Review"
    CANARY = "Canary"
    SOAK = "Soak"
    LIVE = "Live"
    ROLLBACK = "Rollback"


Sentence = Annotated[str, StringConstraints(max_length=2000)]
ActionName = Annotated[str, StringConstraints(max_length=253)]

MAX_ANSWERS = 10


class Pause(ApiType):
    """A person holds the rollout. Evidence of harm rolls back all the same."""

    by: Annotated[Person, Field(description="Who paused it.")]
    reason: Annotated[Sentence, Field(description="Why.")]
    at: Annotated[datetime, Field(description="Since when.")]


class Approval(ApiType):
    """A person has approved this candidate and no other."""

    by: Annotated[Person, Field(description="Who approved.")]
    role: Annotated[ActionName | None, Field(description="In which role.")] = None
    reason: Annotated[Sentence, Field(description="Why.")]
    digest: Annotated[Sha256, Field(description="The candidate that it is for.")]
    at: Annotated[datetime, Field(description="When.")]
    expires_at: Annotated[datetime, Field(description="Until when it holds.")]
    accepts: Annotated[
        tuple[DnsLabel, ...],
        Field(max_length=16, description="Gates whose disagreement it accepts; that outlasts the approval."),
    ] = ()
    alerts: Annotated[
        tuple[DnsLabel, ...],
        Field(
            max_length=MAX_ALERT_POLICIES,
            description="Entries of rollout.alerts whose shared alerts it accepts; that outlasts the approval.",
        ),
    ] = ()


class Promotion(ApiType):
    """How the stable revision came to be live: by a rollout. One that was installed, or brought back, has none."""

    at: Annotated[datetime, Field(description="When it went live.")]
    rollout_started_at: Annotated[datetime, Field(description="When its rollout began.")]


class AnsweredAction(ApiType):
    """A RolloutAction that was answered: it is never applied again, whatever its own status says."""

    uid: Annotated[ActionName, Field(description="Its uid.")]
    name: Annotated[ActionName, Field(description="Its name.")]
    action: Annotated[Verb, Field(description="What was asked for.")]
    by: Annotated[Person, Field(description="Who asked.")]
    outcome: Annotated[Answer, Field(description="Applied, Refused or Expired.")]
    message: Annotated[Sentence, Field(description="What was done, or why it was not.")]
    at: Annotated[datetime, Field(description="When it was answered.")]


class ModelDeploymentStatus(ApiType):
    """All that the next decision needs beside the revisions' own status.

    `stable` and `candidate` are short digests. `weight` is the candidate's share in whole percent. `rejected` is the
    newest revision that was rolled back; it is not tried again while the spec still names it.
    """

    observed_generation: Annotated[
        int, Field(ge=0, description="Generation of the spec that this status is about.")
    ] = 0
    stage: Annotated[
        StageName | None, Field(description="Where the deployment is; Live when no rollout is under way.")
    ] = None
    stable: Annotated[RevisionId | None, Field(description="Revision that serves users.")] = None
    stable_version: Annotated[VersionText | None, Field(description="Model version of the stable revision.")] = None
    candidate: Annotated[RevisionId | None, Field(description="Revision that is being rolled out.")] = None
    candidate_version: Annotated[VersionText | None, Field(description="Model version of the candidate.")] = None
    weight: Annotated[
        int, Field(ge=0, le=100, description="Share of real requests that the candidate gets, in whole percent.")
    ] = 0
    rollout_started_at: Annotated[datetime | None, Field(description="When the rollout under way began.")] = None
    stage_started_at: Annotated[datetime | None, Field(description="When the stage began.")] = None
    weight_changed_at: Annotated[datetime | None, Field(description="When the weight was last changed.")] = None
    rejected: Annotated[
        RevisionId | None,
        Field(description="Newest revision that was rolled back; not tried again while the spec still names it."),
    ] = None
    previous: Annotated[
        RevisionId | None, Field(description="Revision that a rollback of the live one would go to.")
    ] = None
    promotion: Annotated[Promotion | None, Field(description="The rollout that brought the stable revision live.")] = (
        None
    )
    paused: Annotated[Pause | None, Field(description="A person holds the rollout.")] = None
    resumed_at: Annotated[
        datetime | None, Field(description="When a person let the rollout go on; its time begins anew then.")
    ] = None
    approval: Annotated[Approval | None, Field(description="Approval of the candidate by a person.")] = None
    reviews: Annotated[
        tuple[FiredAlert, ...],
        Field(
            max_length=MAX_ALERT_POLICIES,
            description="Alerts that both versions share and that a person is asked about, one for each entry of "
            "rollout.alerts; they hold the rollout until they are approved or the candidate is rejected.",
        ),
    ] = ()
    actions: Annotated[
        tuple[AnsweredAction, ...],
        Field(max_length=MAX_ANSWERS, description="RolloutActions that were answered last, newest last."),
    ] = ()
    expected_verdict_at: Annotated[
        datetime | None,
        Field(description="When the comparison ends well, if traffic and evidence go on as they are; a forecast."),
    ] = None
    registry: Annotated[WrittenBack | None, Field(description="What the model registry was told.")] = None
    replicas: Annotated[int, Field(ge=0, description="Pods of the stable revision and the candidate.")] = 0
    ready_replicas: Annotated[int, Field(ge=0, description="Those of them that are ready.")] = 0
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=12,
            description="Ready, Reconciling and Stalled as kstatus reads them, and Progressing, RolledBack, Paused, "
            "AwaitingReview; RegistrySynced where a model registry is involved.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()


class ModelDeployment(ApiObject):
    """A model that should be live, how it is served, and how new versions of it are rolled out."""

    name_rules: ClassVar[tuple[Rule, ...]] = NAME_RULES
    spec: Annotated[ModelDeploymentSpec, Field(description="What people ask for.")]
    status: Annotated[
        ModelDeploymentStatus, Field(description="What the operator sees and does; written by the operator only.")
    ] = ModelDeploymentStatus()
