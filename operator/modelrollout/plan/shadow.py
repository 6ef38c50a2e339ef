"""Shadow: the candidate answers copies of all requests, and nobody sees its answers.

It needs the capacity of the live version, because it gets all of its load: mirroring to too few pods would call a good
model slow. So the mirror is on only while all of its pods are ready.
"""

from datetime import timedelta

from modelrollout.api.base import seconds
from modelrollout.api.modeldeployment import StageName
from modelrollout.plan.canary import can_carry, first_weight
from modelrollout.plan.capacity import carried_weight
from modelrollout.plan.plan import Decision
from modelrollout.plan.situation import Situation
from modelrollout.plan.start import after_shadow


def shadow(situation: Situation) -> Decision:
    policy = situation.observation.spec.shadow
    if policy is None:
        return _pass(situation, "the shadow stage was taken out of the policy")
    ready = carried_weight(ready=situation.candidate.ready, replicas=situation.replicas) >= 100
    if not ready:
        return situation.decision(
            stage=StageName.SHADOW,
            reason="WaitingForPods",
            message=f"{situation.candidate.ready} of {situation.replicas} pods of the candidate are ready",
            capacity=100,
        )
    hold = timedelta(seconds=seconds(policy.hold_for))
    requests = situation.candidate_requests()
    enough = requests is None or requests >= policy.min_requests
    told = (
        "no gate counts requests" if requests is None else f"{requests:.0f} of {policy.min_requests} mirrored requests"
    )
    if situation.safe and enough and situation.stage_age() >= hold:
        return _pass(
            situation,
            "every gate is safe" if requests is None else f"{requests:.0f} mirrored requests, every gate is safe",
        )
    reason, message = situation.progress("Shadowing")
    return situation.decision(
        stage=StageName.SHADOW,
        reason=reason,
        message=f"{told}; {message}",
        capacity=100,
        mirror=True,
        wake_at=situation.now + hold - situation.stage_age() if situation.stage_age() < hold else None,
    )


def _pass(situation: Situation, why: str) -> Decision:
    stage = after_shadow(situation.observation.spec)
    first = first_weight(situation) if stage is StageName.CANARY else 0
    weight = first if can_carry(situation, first) else 0
    message = f"shadow passed: {why}"
    return situation.advance(
        stage=stage,
        reason="ShadowPassed",
        message=message,
        weight=weight,
        capacity=first if stage is StageName.CANARY else 100,
    )
