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
    """One thing that is so, is not so, or is not known."""

    type: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=60)], Field(description="What it is about.")
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="Whether it is so.")]
    reason: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=120)],
        Field(description="Why, in one word for programs."),
    ]
    message: Annotated[
        Annotated[str, StringConstraints(max_length=4000)], Field(description="Why, in a sentence for people.")
    ] = ""
    observed_generation: Annotated[int, Field(ge=0, description="Generation of the spec that it is about.")] = 0
    last_transition_time: Annotated[datetime, Field(description="When its status last changed.")]


def merge(previous: tuple[Condition, ...], wanted: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """`wanted`, with the transition time of the previous condition where the status is the same."""
    before = {condition.type: condition for condition in previous}
    return tuple(
        condition.model_copy(update={"last_transition_time": before[condition.type].last_transition_time})
        if condition.type in before and before[condition.type].status == condition.status
        else condition
        for condition in wanted
    )
