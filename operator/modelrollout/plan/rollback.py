"""The way back: weight 0 in the first action, from whatever stage, with nothing to wait for."""

from modelrollout.api.alerts import FiredAlert
from modelrollout.api.base import seconds
from modelrollout.api.conditions import Condition
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import Outcome, RevisionState
from modelrollout.api.revision import child_name
from modelrollout.api.rollout import Inconclusive
from modelrollout.evidence import Verdict
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.pods import finding
from modelrollout.plan.records import harm_sentence, record
from modelrollout.plan.situation import Situation


def roll_back(
    situation: Situation,
    *,
    reason: str,
    why: str,
    state: RevisionState = RevisionState.ROLLED_BACK,
    by: str | None = None,
    alert: FiredAlert | None = None,
    message: str | None = None,
) -> Decision:
    """`state` is what becomes of the candidate; `by` is the person who asked for it, `alert` the one that did.
    `message` is another sentence than the usual one.
    """
    stage = situation.observation.status.stage or StageName.CANARY
    weight = max(situation.observation.status.weight, _routed(situation))
    version = situation.candidate.spec.model.version
    message = message or f"version {version} was rolled back from {stage} at weight {weight} %: {why}"
    return Decision(
        stage=StageName.LIVE,
        stable=situation.stable.id,
        candidate=None,
        rejected=situation.candidate.id,
        standing=Standing.ROLLED_BACK,
        reason=reason,
        message=message,
        record=record(
            at=situation.now,
            outcome=Outcome.ROLL_BACK,
            reason=reason,
            message=message,
            stage=stage,
            weight=weight,
            judgement=situation.judgement,
            by=by,
            alert=alert,
        ),
        recorded_on=situation.candidate.id,
        ended={situation.candidate.id: state},
        evidence=situation.evidence,
        judgement=situation.judgement,
    )


def _routed(situation: Situation) -> int:
    """The candidate's weight in the route: a write of the status that failed may have left it behind."""
    route = situation.observation.route
    service = child_name(situation.observation.name, situation.candidate.id)
    backends = route.backends if route else ()
    return next((backend.weight for backend in backends if backend.service == service), 0)


def harmed(situation: Situation) -> Decision | None:
    """A rollback, if the evidence or the candidate's pods ask for one."""
    if situation.judgement and situation.judgement.verdict is Verdict.Fail:
        reason = "LimitBroken" if situation.judgement.by_rule else "EvidenceOfHarm"
        return roll_back(situation, reason=reason, why=harm_sentence(situation.judgement))
    trouble = finding(situation.candidate, situation.stable)
    if trouble and trouble.harmful:
        return roll_back(situation, reason=trouble.trouble, why=trouble.message)
    return None


def used_up(situation: Situation) -> str | None:
    """What the comparison has used up of that which the policy allows: its time, or its errors.

    A soak is no comparison and has its own time.
    """
    status, rollout = situation.observation.status, situation.observation.spec.rollout
    if status.stage not in (StageName.SHADOW, StageName.CANARY) or status.rollout_started_at is None:
        return None
    begun = max(at for at in (status.rollout_started_at, status.resumed_at) if at is not None)
    if (situation.now - begun).total_seconds() >= seconds(rollout.max_duration):
        return f"nothing was decided within maxDuration {rollout.max_duration}"
    left = situation.budget_left()
    if left is not None and left <= 0 and status.stage is StageName.CANARY:
        return f"nothing was decided before rollout.errorBudget of {rollout.error_budget:g} requests was spent"
    return None


def inconclusive(situation: Situation, held: Decision, *, why: str) -> Decision:
    """What the user asked for when time or budget is used up.

    A pause is a person's to end, so it does not end itself when data come.

    `held` is what the stage would have decided. If it would have waited, it says for what; a step that it would have
    taken is not taken any more, so then the evidence speaks.
    """
    waiting = held.message if held.record is None else situation.progress("Comparing")[1]
    why = f"{why}: {waiting}"
    match situation.observation.spec.rollout.on_inconclusive:
        case Inconclusive.ROLLBACK:
            return roll_back(situation, reason="Inconclusive", why=why)
        case Inconclusive.PROMOTE:
            return situation.decision(
                stage=StageName.SOAK,
                reason="PromotedInconclusive",
                message=why,
                weight=situation.observation.status.weight,
                capacity=100,
                record=record(
                    at=situation.now,
                    outcome=Outcome.ADVANCE,
                    reason="PromotedInconclusive",
                    message=why,
                    stage=StageName.SOAK,
                    weight=situation.observation.status.weight,
                    judgement=situation.judgement,
                ),
            )
        case Inconclusive.PAUSE:
            return stand_still(situation, stage=situation.observation.status.stage or held.stage, why=why)


def halted(situation: Situation) -> Condition | None:
    """What was said when it was paused for want of data, while that holds."""
    conditions = situation.observation.status.conditions
    return next(
        (c for c in conditions if c.type == "Paused" and c.status == "True" and c.reason == "Inconclusive"), None
    )


def stand_still(situation: Situation, *, stage: StageName, why: str) -> Decision:
    """Paused for want of data: all stays as it is, and so does what was said when it began.

    The record is made when the pause begins; evidence that restarts has its own first.
    """
    status = situation.observation.status
    told = halted(situation)
    message = told.message if told else f"{why}; resume or promote it, or edit the policy or the model, to go on"
    return situation.decision(
        stage=stage,
        reason="Inconclusive",
        message=message,
        weight=status.weight,
        capacity=100 if stage in (StageName.SHADOW, StageName.SOAK) else status.weight,
        mirror=stage is StageName.SHADOW,
        standing=Standing.PAUSED,
        record=None
        if told or situation.restarted
        else record(
            at=situation.now,
            outcome=Outcome.PAUSE,
            reason="Inconclusive",
            message=message,
            stage=stage,
            weight=status.weight,
            judgement=situation.judgement,
        ),
    )
