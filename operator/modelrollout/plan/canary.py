"""Canary: a growing share of real requests.

With fixed weights each step is held for its time, and then only left when the candidate served requests in it. With
`pace: Evidence` the next weight is the largest whose expected number of excess errors stays within the budget, so a
candidate that shows itself safe moves fast and one that nothing is known of stays small. Either way the stage is passed
only when every gate is safe. Capacity comes before weight: the pods of the next step are ready first.
"""

from datetime import timedelta

from modelrollout.api.base import seconds
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.rollout import CanaryStage
from modelrollout.evidence import next_weight
from modelrollout.plan.capacity import carried_weight, ratio_weight, replicas_for_ratio
from modelrollout.plan.plan import Decision
from modelrollout.plan.records import progress_sentence
from modelrollout.plan.situation import Situation
from modelrollout.plan.watch import soak_weight

EVIDENCE_MENU = (1, 2, 5, 10, 25, 50)
"""Weights that `pace: Evidence` chooses from. All of the traffic is the soak's business."""


def first_weight(situation: Situation) -> int:
    """The first step, sized by what the shadow stage has shown, where there was one."""
    policy = situation.observation.spec.canary
    return _next_step(situation, policy, current=0) if policy else 0


def canary(situation: Situation) -> Decision:
    policy = situation.observation.spec.canary
    if policy is None:
        return _toward_all(situation, "the canary stage was taken out of the policy")
    weight = situation.observation.status.weight
    if weight == 0:
        if _rate_is_awaited(situation, policy):
            return _await_rate(situation)
        return _step(situation, weight=0, to=first_weight(situation))
    last = _menu(policy)[-1]
    hold = timedelta(seconds=seconds(policy.hold_for))
    age = situation.weight_age() if policy.weights or not situation.counting else situation.stage_age()
    held = age >= hold
    if held and weight >= last and situation.safe and situation.learnt:
        return _toward_all(situation, "every gate is safe")
    paced = policy.weights is None and bool(situation.counting)
    if weight < last and situation.fresh and situation.learnt and (held or paced):
        following = _next_step(situation, policy, current=weight)
        if following > weight:
            return _step(situation, weight=weight, to=following)
    reason, message = situation.progress("Comparing")
    if situation.observation.spec.route is None:
        share = ratio_weight(candidate_ready=situation.candidate.ready, stable_ready=situation.stable.ready)
        message = f"the ratio of pods gives the candidate {share} % of the traffic; {message}"
    return situation.decision(
        stage=StageName.CANARY,
        reason=reason,
        message=message,
        weight=weight,
        wake_at=None if held else situation.now + hold - age,
    )


def _menu(policy: CanaryStage) -> tuple[int, ...]:
    return policy.weights or EVIDENCE_MENU


def smallest_weight(policy: CanaryStage) -> int:
    """Where the canary begins at the least; pods for it are asked for when the rollout starts."""
    return _menu(policy)[0]


def first_capacity(spec: ModelDeploymentSpec, stage: StageName) -> int:
    """In percent. An evaluation, and a person's review where it comes first, cost no pods."""
    if stage in (StageName.EVALUATE, StageName.REVIEW):
        return 0
    return smallest_weight(spec.canary) if spec.canary and stage is StageName.CANARY else 100


def _rate_is_awaited(situation: Situation, policy: CanaryStage) -> bool:
    """What a first step costs is known once it is known how much the live version serves."""
    spec = situation.observation.spec
    if policy.weights or not situation.counting or (spec.shadow and not spec.review):
        return False
    return situation.evidence is None or not situation.evidence.rate_known


def _await_rate(situation: Situation) -> Decision:
    reason, message = situation.progress("WaitingForMetrics")
    if situation.judgement is not None and situation.unread is None:
        reason, message = (
            "WaitingForMetrics",
            "waiting for the live version's request rate, which bounds the first step",
        )
    return situation.decision(
        stage=StageName.CANARY, reason=reason, message=message, weight=0, capacity=smallest_weight_of(situation)
    )


def smallest_weight_of(situation: Situation) -> int:
    policy = situation.observation.spec.canary
    return smallest_weight(policy) if policy else 0


def _next_step(situation: Situation, policy: CanaryStage, *, current: int) -> int:
    if policy.weights or not situation.counting:
        return next((weight for weight in _menu(policy) if weight > current), current)
    return next_weight(
        current=current,
        menu=EVIDENCE_MENU,
        requests_per_second=situation.requests_per_second,
        interval_seconds=seconds(situation.observation.spec.rollout.interval),
        upper_bound=situation.upper_bound(),
        error_budget=_interval_budget(situation, policy),
    )


def _interval_budget(situation: Situation, policy: CanaryStage) -> float:
    """The next interval's budget, and no more than what the whole rollout has left."""
    left = situation.budget_left()
    return policy.error_budget if left is None else max(0.0, min(policy.error_budget, left))


def _beyond_budget(situation: Situation, *, to: int) -> str:
    """For a first step that even at its smallest may cost more than the budget: a very busy service."""
    policy = situation.observation.spec.canary
    if policy is None or policy.weights or not situation.counting:
        return ""
    rate = situation.requests_per_second
    interval = seconds(situation.observation.spec.rollout.interval)
    cost = to / 100 * rate * interval * situation.upper_bound()
    budget = _interval_budget(situation, policy)
    if cost <= budget:
        return ""
    return (
        f"; even {to} % of {rate:.0f} requests/s may cost {cost:.0f} requests in an interval, more than errorBudget "
        f"{budget:g}: a shadow stage before it, or a shorter interval, would bound that"
    )


def can_carry(situation: Situation, weight: int) -> bool:
    """Whether the ready pods are enough for `weight` percent of the traffic."""
    ready = situation.candidate.ready
    if weight < 100 and situation.observation.spec.route is None:
        return ready >= replicas_for_ratio(weight=weight, replicas=situation.replicas)
    return carried_weight(ready=ready, replicas=situation.replicas) >= weight


def _step(situation: Situation, *, weight: int, to: int) -> Decision:
    if not can_carry(situation, to):
        return situation.decision(
            stage=StageName.CANARY,
            reason="WaitingForPods",
            message=f"weight {to} % waits for pods of the candidate: {situation.candidate.ready} are ready",
            weight=weight,
            capacity=to,
        )
    message = f"weight {weight} % to {to} %"
    if situation.judgement:
        message = f"{message}: {progress_sentence(situation.judgement)}"
    if weight == 0:
        message += _beyond_budget(situation, to=to)
    return situation.advance(
        stage=StageName.CANARY,
        reason="Comparing",  # as the plan after it says, so that one step is one write of the status
        message=message,
        weight=to,
        recorded_as="WeightIncreased",
    )


def _toward_all(situation: Situation, why: str) -> Decision:
    """The soak, as soon as the candidate can carry all of the traffic; the old version stays warm for it."""
    weight = situation.observation.status.weight
    if not can_carry(situation, 100):
        return situation.decision(
            stage=StageName.CANARY,
            reason="WaitingForPods",
            message=f"{why}; {situation.candidate.ready} of {situation.replicas} pods of the candidate are ready",
            weight=weight,
            capacity=100,
        )
    message = f"canary passed: {why}"
    return situation.advance(
        stage=StageName.SOAK,
        reason="CanaryPassed",
        message=message,
        weight=soak_weight(situation.observation.spec),
        capacity=100,
    )
