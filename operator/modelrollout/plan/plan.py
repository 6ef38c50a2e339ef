"""What a plan is, and what a stage decides before it is shaped into one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelrollout.api.contract import ContractCheck
from modelrollout.api.modeldeployment import AnsweredAction, ModelDeploymentStatus, StageName
from modelrollout.api.modelrevision import DecisionRecord, ModelRevisionStatus, RevisionState
from modelrollout.evidence import Judgement
from modelrollout.plan.actions import Action
from modelrollout.plan.observation import CandidateEvidence


class Standing(StrEnum):
    """How things stand for somebody who only reads conditions."""

    READY = "Ready"
    WORKING = "Working"
    STALLED = "Stalled"
    PAUSED = "Paused"
    ROLLED_BACK = "RolledBack"
    AWAITING_REVIEW = "AwaitingReview"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where things should stand now.

    `weight` is the candidate's share in whole percent, `capacity` the share that its pods should be able to carry (more
    than `weight` while the next step is being prepared). `ended` names revisions whose part is over, with their state.
    `progress` moves while the message stays, and is told in the Ready condition alone. `contract` is what is known of
    the candidate's contract now, and `verify` asks its pods. `resumed`: the time that the rollout may take begins anew.
    """

    stage: StageName
    stable: str | None
    candidate: str | None
    standing: Standing
    reason: str
    message: str
    weight: int = 0
    capacity: int = 0
    mirror: bool = False
    rejected: str | None = None
    record: DecisionRecord | None = None
    recorded_on: str | None = None
    ended: Mapping[str, RevisionState] = field(default_factory=dict)
    evidence: CandidateEvidence | None = None
    judgement: Judgement | None = None
    contract: ContractCheck | None = None
    verify: bool = False
    resumed: bool = False
    progress: str = ""
    wake_at: datetime | None = None
    expected_verdict_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A Kubernetes Event to be: CamelCase reason, a sentence, and whether it is a warning."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Actions in the order in which they must be done, then the status to write.

    `revisions` holds only the revision statuses that changed; `answers` are what RolloutActions have not been told yet.
    `wants_readings` keeps the rollout in the metrics hub, and so does `wants_alerts`, with that question alone.
    `wants_verification` has the candidate's pods asked what they serve.
    `requeue_after` is in seconds; None waits for the next event.
    """

    actions: tuple[Action, ...]
    status: ModelDeploymentStatus
    revisions: Mapping[str, ModelRevisionStatus]
    notices: tuple[Notice, ...] = ()
    records: tuple[DecisionRecord, ...] = ()
    answers: tuple[AnsweredAction, ...] = ()
    evidence: CandidateEvidence | None = None
    judgement: Judgement | None = None
    wants_readings: bool = False
    wants_verification: bool = False
    wants_alerts: bool = False
    requeue_after: float | None = None
