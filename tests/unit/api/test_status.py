"""What the operator writes into status reads back as the same, in camelCase and without what is not there."""

import math
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from modelrollout.api.alerts import FiredAlert
from modelrollout.api.base import ApiType
from modelrollout.api.conditions import Condition
from modelrollout.api.modeldeployment import AnsweredAction, Approval, ModelDeploymentStatus, Pause, StageName
from modelrollout.api.modelrevision import (
    ArmCounts,
    Changes,
    DecisionRecord,
    GateRecord,
    ModelRevisionStatus,
    Outcome,
    RevisionState,
    StateChange,
    StoredEvidence,
    StoredGate,
)
from modelrollout.api.registry import WrittenAlias, WrittenBack, WrittenTags
from modelrollout.api.rolloutaction import Answer, RolloutActionStatus, Verb

AT = datetime(2026, 10, 5, 12, 30, 15, 250000, tzinfo=UTC)
GATE = GateRecord(
    name="errors",
    verdict="Fail",
    candidate=ArmCounts(requests=1000.5, bad=31),
    stable=ArmCounts(requests=9000, bad=9),
    harm=5.25,
    safety=-700.0,
    bound=0.0625,
)
DECISION = DecisionRecord(
    at=AT,
    outcome=Outcome.ROLL_BACK,
    reason="GateFailed",
    message="errors: 3.1 % of 1000 requests, live 0.1 % of 9000",
    stage="Canary",
    weight=10,
    harm_threshold=4.6,
    gates=(GATE,),
)
DEPLOYMENT = ModelDeploymentStatus(
    observed_generation=3,
    stage=StageName.CANARY,
    stable="0123456789",
    stable_version="6",
    weight=10,
    stage_started_at=AT,
    previous="fedcba9876",
    registry=WrittenBack(
        aliases=(WrittenAlias(model="fraud", alias="champion", version="6"),),
        tags=(WrittenTags(model="fraud", version="6", digest="0a1b"),),
        at=AT,
    ),
    paused=Pause(by="anna", reason="the queue behind it is full", at=AT),
    approval=Approval(by="olga", role="model-risk", reason="checked", digest="ab" * 32, at=AT, expires_at=AT),
    reviews=(FiredAlert(policy="drift", name="ModelDriftInEveryVersion", labels={"kind": "input"}, starts_at=AT),),
    actions=(
        AnsweredAction(
            uid="5f0c", name="pause-1", action=Verb.PAUSE, by="anna", outcome=Answer.APPLIED, message="paused", at=AT
        ),
    ),
    conditions=(Condition(type="Ready", status="False", reason="RollingOut", last_transition_time=AT),),
)
REVISION = ModelRevisionStatus(
    state=RevisionState.ROLLED_BACK,
    history=(StateChange(state=RevisionState.CANARY, at=AT),),
    live_at=AT,
    live_for="3d4h",
    ended="GateFailed",
    traffic_ended_at=AT,
    changes=Changes(since="6", entries=("retrained on October", "image: fraud-server:6 -> fraud-server:7")),
    evidence=StoredEvidence(
        policy="abc", evaluated_at=AT, gates=(StoredGate(name="errors", state={"harm_logs": [-1.5], "n": None}),)
    ),
    decisions=(DECISION,),
)


ACTION = RolloutActionStatus(outcome=Answer.REFUSED, message="no rollout is under way", at=AT)


@pytest.mark.parametrize("status", [DEPLOYMENT, REVISION, ACTION], ids=["deployment", "revision", "action"])
def test_it_comes_back_as_it_was(status: ApiType) -> None:
    as_text = status.model_dump_json(by_alias=True, exclude_none=True)
    assert type(status).model_validate_json(as_text) == status
    as_objects = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert type(status).model_validate(as_objects) == status


def test_names_on_the_wire_are_in_camel_case() -> None:
    wire = DEPLOYMENT.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert wire == {
        "observedGeneration": 3,
        "stage": "Canary",
        "stable": "0123456789",
        "stableVersion": "6",
        "weight": 10,
        "stageStartedAt": "2026-10-05T12:30:15.250000Z",
        "previous": "fedcba9876",
        "paused": {"by": "anna", "reason": "the queue behind it is full", "at": "2026-10-05T12:30:15.250000Z"},
        "approval": {
            "by": "olga",
            "role": "model-risk",
            "reason": "checked",
            "digest": "ab" * 32,
            "at": "2026-10-05T12:30:15.250000Z",
            "expiresAt": "2026-10-05T12:30:15.250000Z",
            "accepts": [],
            "alerts": [],
        },
        "reviews": [
            {
                "policy": "drift",
                "name": "ModelDriftInEveryVersion",
                "labels": {"kind": "input"},
                "startsAt": "2026-10-05T12:30:15.250000Z",
            }
        ],
        "actions": [
            {
                "uid": "5f0c",
                "name": "pause-1",
                "action": "Pause",
                "by": "anna",
                "outcome": "Applied",
                "message": "paused",
                "at": "2026-10-05T12:30:15.250000Z",
            }
        ],
        "registry": {
            "aliases": [{"model": "fraud", "alias": "champion", "version": "6"}],
            "tags": [{"model": "fraud", "version": "6", "digest": "0a1b"}],
            "at": "2026-10-05T12:30:15.250000Z",
        },
        "replicas": 0,
        "readyReplicas": 0,
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "RollingOut",
                "message": "",
                "observedGeneration": 0,
                "lastTransitionTime": "2026-10-05T12:30:15.250000Z",
            }
        ],
    }
    decision = DECISION.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert decision["harmThreshold"] == 4.6
    assert "safetyThreshold" not in decision


def test_stored_sums_are_kept_letter_by_letter() -> None:
    wire = REVISION.model_dump(mode="json", by_alias=True, exclude_none=False)
    assert wire["evidence"]["gates"][0]["state"] == {"harm_logs": [-1.5], "n": None}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        GateRecord.model_validate(GATE.model_dump() | {"harm": value})
    with pytest.raises(ValidationError, match="finite number"):
        GateRecord.model_validate(GATE.model_dump() | {"bound": value})
