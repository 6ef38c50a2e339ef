"""Conditions as kstatus, Argo CD and Flux read them.

`Ready` is present always; `Reconciling` and `Stalled` are abnormal-true and simply false when there is nothing to say.
The transition time moves only when the status does.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType


class ConditionType(StrEnum):
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    PROGRESSING = "Progressing"
    ROLLED_BACK = "RolledBack"
    PAUSED = "Paused"
    AWAITING_REVIEW = "AwaitingReview"
    REGISTRY_SYNCED = "RegistrySynced"


class Condition(ApiType):
    type: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    message: Annotated[str, StringConstraints(max_length=4000)] = ""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    last_transition_time: datetime


def merge(previous: tuple[Condition, ...], wanted: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """`wanted`, with the transition time of the previous condition where the status is the same."""
    before = {condition.type: condition for condition in previous}
    return tuple(
        condition.model_copy(update={"last_transition_time": before[condition.type].last_transition_time})
        if condition.type in before and before[condition.type].status == condition.status
        else condition
        for condition in wanted
    )
