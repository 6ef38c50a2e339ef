"""ModelRevision: one immutable version, and in its status the lifecycle state, the evidence and every decision."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.alerts import FiredAlert
from modelrollout.api.base import ApiObject, ApiType, Preserved
from modelrollout.api.config import RevisionConfig
from modelrollout.api.contract import ContractCheck
from modelrollout.api.gates import TemplateKind
from modelrollout.api.model import PinnedModel
from modelrollout.api.registry import RegistryRecord
from modelrollout.api.rolloutaction import Person
from modelrollout.api.route import DnsLabel
from modelrollout.api.rules import Rule
from modelrollout.api.serving import Port, Server

MAX_DECISIONS = 20
MAX_HISTORY = 20
MAX_CHANGES = 40


ShortText = Annotated[str, StringConstraints(max_length=200)]


class RevisionServing(ApiType):
    """The content of `serving`: what changes what users get."""

    server: Annotated[Server, Field(description="The model server.")]
    port: Annotated[Port, Field(description="Port on which the server answers requests.")]
    template: Annotated[Preserved, Field(description="Pod template, as it was written in the ModelDeployment.")]


class ModelRevisionSpec(ApiType):
    """The version's content, and whose it is. It never changes."""

    deployment: Annotated[DnsLabel, Field(description="Name of the ModelDeployment.")]
    digest: Annotated[
        Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")],
        Field(description="sha256 of the content; the first ten digits are in names."),
    ]
    model: Annotated[PinnedModel, Field(description="The model version.")]
    config: Annotated[RevisionConfig, Field(description="What its pods read beside the model.")] = RevisionConfig()
    serving: Annotated[RevisionServing, Field(description="How it is served.")]
    contract: Annotated[
        Preserved | None, Field(description="What the model takes and gives, as it was when the revision was made.")
    ] = None
    reference: Annotated[
        Preserved | None, Field(description="How the training data were spread, as it was when the revision was made.")
    ] = None
    card: Annotated[Preserved | None, Field(description="The model card, as it was when the revision was made.")] = None

    registry: Annotated[
        RegistryRecord | None, Field(description="What the model registry said about it when it was pinned.")
    ] = None

    _never_changes = Rule(
        cel="self == oldSelf",
        message="spec: a revision is its content and cannot be changed; apply a new version in the ModelDeployment "
        "instead",
        holds=None,
    )


class RevisionState(StrEnum):
    PENDING = "Pending"
    EVALUATING = "Evaluating"
    SHADOW = "Shadow"
    CANARY = "Canary"
    SOAKING = "Soaking"
    LIVE = "Live"
    SUPERSEDED = "Superseded"
    ROLLED_BACK = "RolledBack"
    REJECTED = "Rejected"
    ARCHIVED = "Archived"


class StateChange(ApiType):
    """A state, and when it began."""

    state: Annotated[RevisionState, Field(description="The state.")]
    at: Annotated[datetime, Field(description="When it began.")]


class ArmCounts(ApiType):
    """Requests of one arm over the whole rollout; `bad` by the gate's own definition. Not always whole numbers."""

    requests: Annotated[float, Field(ge=0, description="Requests that were judged.")]
    bad: Annotated[float, Field(ge=0, description="Those of them that the gate counts as bad.")]


class GateRecord(ApiType):
    """One gate's numbers at a decision."""

    name: Annotated[ShortText, Field(description="Name of the gate.")]
    verdict: Annotated[ShortText, Field(description="Pass, Fail, Disagreement, Insufficient, NoData or Unavailable.")]
    candidate: Annotated[
        ArmCounts, Field(description="Requests of the candidate; of an Agreement, pairs of its answers with live ones.")
    ]
    stable: Annotated[
        ArmCounts,
        Field(
            description="Requests of the stable revision over the same intervals; of an Agreement pairs of its answers."
        ),
    ]
    harm: Annotated[float, Field(description="Evidence that the candidate is worse than tolerated: ln of an e-value.")]
    safety: Annotated[float, Field(description="Evidence that it is within promoteWithin: ln of an e-value.")]
    bound: Annotated[
        float | None,
        Field(description="Upper bound of the excess, as a fraction of all requests, where they are counted."),
    ] = None
    detail: Annotated[
        ShortText | None, Field(description="The edge, the means or the value that was judged, where it is no count.")
    ] = None


class Outcome(StrEnum):
    INSTALL = "Install"
    ADVANCE = "Advance"
    PROMOTE = "Promote"
    ROLL_BACK = "RollBack"
    PAUSE = "Pause"
    RESUME = "Resume"
    RESTART = "Restart"
    SUPERSEDE = "Supersede"


class DecisionRecord(ApiType):
    """Why something was done: verdict, both arms, bound and threshold."""

    at: Annotated[datetime, Field(description="When it was decided.")]
    outcome: Annotated[Outcome, Field(description="What was decided.")]
    reason: Annotated[ShortText, Field(description="Why, in one word for programs.")]
    message: Annotated[
        Annotated[str, StringConstraints(max_length=2000)], Field(description="Why, in a sentence for people.")
    ]
    stage: Annotated[ShortText, Field(description="Stage in which it was decided.")]
    weight: Annotated[int, Field(ge=0, le=100, description="The candidate's share then, in whole percent.")]
    by: Annotated[Person | None, Field(description="Who asked for it, where somebody did.")] = None
    alert: Annotated[FiredAlert | None, Field(description="The alert that led to it.")] = None
    verdict: Annotated[ShortText | None, Field(description="Verdict of all gates together.")] = None
    gate: Annotated[ShortText | None, Field(description="The gate with the largest part in it.")] = None
    harm: Annotated[float | None, Field(description="Joint evidence of harm: ln of the gates' weighted mean.")] = None
    harm_threshold: Annotated[float | None, Field(description="What harm must reach for a rollback.")] = None
    safety_threshold: Annotated[
        float | None, Field(description="What every gate's safety must reach for a promotion.")
    ] = None
    gates: Annotated[tuple[GateRecord, ...], Field(max_length=16, description="Each gate's numbers.")] = ()


class StoredGate(ApiType):
    """`state` is what `to_dict` of its kind of evidence gives (`modelrollout.evidence.kinds`)."""

    name: Annotated[ShortText, Field(description="Name of the gate.")]
    state: Annotated[Preserved, Field(description="Sums over all intervals so far.")]
    dispersion: Annotated[
        ShortText | None,
        Field(description="What its phi rests on: how much the live version's pods differed before the rollout."),
    ] = None
    spent: Annotated[
        float | None,
        Field(description="Requests that went wrong beyond the tolerance, where the rollout has an errorBudget."),
    ] = None


class FrozenTemplate(ApiType):
    """A gate template as it was when the comparison began."""

    kind: Annotated[TemplateKind, Field(description="GateTemplate or ClusterGateTemplate.")]
    name: Annotated[ShortText, Field(description="Name of the template.")]
    spec: Annotated[Preserved, Field(description="What it said.")]


class EvidenceNumbers(ApiType):
    """What the sums say, as a decision would tell it. It is for people and programs that look; nothing is read back."""

    verdict: Annotated[ShortText, Field(description="Verdict of all gates together.")]
    gate: Annotated[ShortText | None, Field(description="The gate with the largest part in a Fail.")] = None
    harm: Annotated[float, Field(description="Joint evidence of harm: ln of the gates' weighted mean.")]
    harm_threshold: Annotated[float, Field(description="What harm must reach for a rollback.")]
    safety_threshold: Annotated[float, Field(description="What every gate's safety must reach for a promotion.")]
    gates: Annotated[tuple[GateRecord, ...], Field(max_length=16, description="Each gate's numbers.")]


class StoredEvidence(ApiType):
    """The sums that a restart goes on from.

    Evidence that was gathered under another policy is not continued.
    """

    policy: Annotated[ShortText, Field(description="Digest of the gates and error rates that it was gathered under.")]
    evaluated_at: Annotated[datetime, Field(description="Time of the counters that it includes.")]
    gates: Annotated[tuple[StoredGate, ...], Field(max_length=16, description="Each gate's sums.")]
    templates: Annotated[
        tuple[FrozenTemplate, ...], Field(max_length=16, description="Templates as they were when it began.")
    ] = ()
    numbers: Annotated[
        EvidenceNumbers | None, Field(description="What the sums say: both arms, evidence, thresholds, bounds.")
    ] = None


class Changes(ApiType):
    """Generated changelog entry: the person's own words, then what differs from the version that was live."""

    since: Annotated[
        ShortText | None, Field(description="Model version that was live when this one was made; none for the first.")
    ] = None
    entries: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=4000)], ...],
        Field(max_length=MAX_CHANGES, description="One change each."),
    ] = ()


class ModelRevisionStatus(ApiType):
    """The revision's state, its evidence, and every decision about it."""

    state: Annotated[RevisionState, Field(description="State in the revision's life.")] = RevisionState.PENDING
    history: Annotated[
        tuple[StateChange, ...], Field(max_length=MAX_HISTORY, description="States that it was in, newest last.")
    ] = ()
    live_at: Annotated[datetime | None, Field(description="When it went live, the last time.")] = None
    live_for: Annotated[
        ShortText | None, Field(description="How long it was live, the last time; absent while it is.")
    ] = None
    ended: Annotated[
        ShortText | None, Field(description="Why its part ended: the reason of the decision that ended it.")
    ] = None
    traffic_ended_at: Annotated[datetime | None, Field(description="When it got its last request.")] = None
    changes: Annotated[Changes | None, Field(description="What is new in it.")] = None
    contract: Annotated[
        ContractCheck | None, Field(description="Its contract against that of the version that was live.")
    ] = None
    evidence: Annotated[StoredEvidence | None, Field(description="What is known about it so far.")] = None
    decisions: Annotated[
        tuple[DecisionRecord, ...],
        Field(max_length=MAX_DECISIONS, description="Decisions about it with their numbers, newest last."),
    ] = ()


class ModelRevision(ApiObject):
    """One version of a model: its content, which never changes, its state and its evidence. Made by the operator."""

    spec: Annotated[ModelRevisionSpec, Field(description="The version's content.")]
    status: Annotated[
        ModelRevisionStatus, Field(description="State, evidence and decisions; written by the operator only.")
    ] = ModelRevisionStatus()
