"""Review: a person looks at what is known, before users get any answer of the candidate.

It waits as long as it takes; the time that a rollout may take begins anew after it. An approval is for one candidate,
by its digest, and expires; it may be given before the review begins.
"""

from modelrollout.api.contract import Judged
from modelrollout.api.modeldeployment import Approval, ModelDeploymentSpec, StageName
from modelrollout.api.modelrevision import Outcome
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import record
from modelrollout.plan.situation import Situation


def after_review(spec: ModelDeploymentSpec) -> StageName:
    return StageName.CANARY if spec.canary else StageName.SOAK


def awaits_review(observation: Observation) -> bool:
    """Whether the candidate has a review before it, or waits in it."""
    before = (None, StageName.INSTALL, StageName.EVALUATE, StageName.SHADOW, StageName.REVIEW)
    check = observation.candidate.status.contract if observation.candidate is not None else None
    if check is not None and check.outcome is Judged.AWAITING_REVIEW and observation.status.weight == 0:
        return True
    return observation.spec.review is not None and observation.status.stage in before


def awaited(observation: Observation) -> str | None:
    """For what a person is waited for, as people were told; None where nobody is."""
    conditions = observation.status.conditions
    return next((c.reason for c in conditions if c.type == "AwaitingReview" and c.status == "True"), None)


def review(situation: Situation) -> Decision:
    policy = situation.observation.spec.review
    if policy is None:
        return _pass(situation, reason="ReviewRemoved", message="the review stage was taken out of the policy")
    approval = approved(situation, role=policy.role)
    if approval is not None:
        role = f" as {approval.role}" if approval.role else ""
        message = f"approved by {approval.by}{role}: {approval.reason}"
        return _pass(situation, reason="Approved", message=message, by=approval.by)
    waits = f"waits for an approval in the role {policy.role}" if policy.role else "waits for an approval"
    return situation.decision(
        stage=StageName.REVIEW,
        reason="AwaitingReview",
        message=f"version {situation.candidate.spec.model.version} {waits}",
        standing=Standing.AWAITING_REVIEW,
    )


def approved(situation: Situation, *, role: str | None) -> Approval | None:
    """The approval of this candidate, if it holds now and was given in that role."""
    approval, now = situation.observation.status.approval, situation.now
    if approval is None or approval.digest != situation.candidate.spec.digest or approval.expires_at <= now:
        return None
    return approval if role in (None, approval.role) else None


def _pass(situation: Situation, *, reason: str, message: str, by: str | None = None) -> Decision:
    stage = after_review(situation.observation.spec)
    return situation.decision(
        stage=stage,
        reason=reason,
        message=message,
        capacity=100 if stage is StageName.SOAK else 0,
        record=record(
            at=situation.now, outcome=Outcome.ADVANCE, reason=reason, message=message, stage=stage, weight=0, by=by
        ),
    )
