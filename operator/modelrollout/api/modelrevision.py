"""ModelRevision: one immutable version, and in its status the lifecycle state, the evidence and every decision."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType
from modelrollout.api.model import Model
from modelrollout.api.route import DnsLabel
from modelrollout.api.serving import Port, Server

MAX_DECISIONS = 20
MAX_HISTORY = 20

ShortText = Annotated[str, StringConstraints(max_length=200)]


class RevisionServing(ApiType):
    server: Server
    port: Port
    template: dict[str, Any]


class ModelRevisionSpec(ApiType):
    """What `modelrollout.api.revision.content` gives, and whose it is. `digest` is the whole sha256."""

    deployment: DnsLabel
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    model: Model
    serving: RevisionServing


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
    state: RevisionState
    at: datetime


class ArmCounts(ApiType):
    """Requests of one arm over the whole rollout; `bad` by the gate's own definition. Not always whole numbers."""

    requests: Annotated[float, Field(ge=0)]
    bad: Annotated[float, Field(ge=0)]


class GateRecord(ApiType):
    """One gate's numbers at a decision. `harm` and `safety` are natural logs of e-values; `bound` is a fraction."""

    name: ShortText
    verdict: ShortText
    candidate: ArmCounts
    stable: ArmCounts
    harm: float
    safety: float
    bound: float


class Outcome(StrEnum):
    INSTALL = "Install"
    ADVANCE = "Advance"
    PROMOTE = "Promote"
    ROLL_BACK = "RollBack"
    PAUSE = "Pause"
    RESTART = "Restart"
    SUPERSEDE = "Supersede"


class DecisionRecord(ApiType):
    """Why something was done: verdict, both arms, bound and threshold. `harm` is the weighted mean over gates (ln)."""

    at: datetime
    outcome: Outcome
    reason: ShortText
    message: Annotated[str, StringConstraints(max_length=2000)]
    stage: ShortText
    weight: Annotated[int, Field(ge=0, le=100)]
    verdict: ShortText | None = None
    gate: ShortText | None = None
    harm: float | None = None
    harm_threshold: float | None = None
    safety_threshold: float | None = None
    gates: Annotated[tuple[GateRecord, ...], Field(max_length=16)] = ()


class StoredGate(ApiType):
    """`state` is what `modelrollout.evidence.GateEvidence.to_dict` gives."""

    name: ShortText
    state: dict[str, Any]


class StoredEvidence(ApiType):
    """The sums that a restart goes on from. `evaluated_at` is the time of the counters that they include.

    `policy` is a digest of gates and error rates: evidence gathered under another policy is not continued.
    """

    policy: ShortText
    evaluated_at: datetime
    gates: Annotated[tuple[StoredGate, ...], Field(max_length=16)]


class ModelRevisionStatus(ApiType):
    state: RevisionState = RevisionState.PENDING
    history: Annotated[tuple[StateChange, ...], Field(max_length=MAX_HISTORY)] = ()
    traffic_ended_at: datetime | None = None
    evidence: StoredEvidence | None = None
    decisions: Annotated[tuple[DecisionRecord, ...], Field(max_length=MAX_DECISIONS)] = ()


class ModelRevision(ApiType):
    spec: ModelRevisionSpec
    status: ModelRevisionStatus = ModelRevisionStatus()
