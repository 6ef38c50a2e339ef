"""Paused by a person: everything stays as it is, and evidence goes on being gathered. Only harm moves it, backwards."""

from modelrollout.api.modeldeployment import StageName
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.situation import Situation


def paused(situation: Situation) -> Decision | None:
    status = situation.observation.status
    if status.paused is None:
        return None
    stage = status.stage or StageName.CANARY
    return situation.decision(
        stage=stage,
        reason="PausedByPerson",
        message=f"paused by {status.paused.by}: {status.paused.reason}",
        weight=status.weight,
        capacity=100 if stage in (StageName.SHADOW, StageName.SOAK) else status.weight,
        mirror=stage is StageName.SHADOW,
        standing=Standing.PAUSED,
    )
