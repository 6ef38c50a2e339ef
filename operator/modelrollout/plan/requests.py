"""What people ask for, one RolloutAction at a time, oldest first.

Most of what can be asked is a fact that the stages then look at: that a person holds the rollout, approved a candidate,
wants a rejected version tried again. Those change the status that the plan starts from. To promote, to reject and to go
back are decisions of their own; they are handed on, and answered by what was decided.

An action is answered once: the answer is part of the status that the decision is written in, and is copied into the
action afterwards. A process that dies between the two finds it there and does not apply it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from modelrollout.api.modeldeployment import (
    MAX_ANSWERS,
    AnsweredAction,
    Approval,
    ModelDeploymentStatus,
    Pause,
    StageName,
)
from modelrollout.api.modelrevision import Outcome
from modelrollout.api.revision import short
from modelrollout.api.rolloutaction import Answer, Verb
from modelrollout.plan.alarm import complaint_of, sentence
from modelrollout.plan.alerts import ROLLING, Complaint, settled
from modelrollout.plan.disagreement import disagreeing, waiting_since_told
from modelrollout.plan.observation import ActionView, Observation
from modelrollout.plan.plan import Decision
from modelrollout.plan.records import cut, record
from modelrollout.plan.review import awaits_review
from modelrollout.plan.shared import answerable, put, unanswered
from modelrollout.plan.situation import accepted, situation_of
from modelrollout.plan.watch import soak_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Heeded:
    """What the plan starts from, and the action that was heard, if one was.

    `refusal` says why nothing came of it. `decides`: it asks for a decision that is still to be made.
    """

    observation: Observation
    action: ActionView | None = None
    outcome: Answer = Answer.APPLIED
    message: str = ""
    decides: bool = False

    def told(self, decision: Decision, now: datetime) -> tuple[AnsweredAction, ...]:
        """The answers to be kept, newest last."""
        known = self.observation.status.actions
        if self.action is None:
            return known
        spec = self.action.spec
        answer = AnsweredAction(
            uid=self.action.uid,
            name=self.action.name,
            action=spec.action,
            by=spec.requested_by,
            outcome=self.outcome,
            message=cut(self.message or decision.message),
            at=now,
        )
        return (*known, answer)[-MAX_ANSWERS:]

    def refused(self, message: str) -> "Heeded":
        return replace(self, outcome=Answer.REFUSED, message=message, decides=False)


def heed(observation: Observation, now: datetime) -> Heeded:
    """The oldest action that was not answered yet, taken into account."""
    told = {answer.uid for answer in observation.status.actions}
    waiting = [action for action in observation.actions if not action.answered and action.uid not in told]
    if not waiting:
        return Heeded(observation=observation)
    action = min(waiting, key=lambda one: (one.created_at, one.name))
    heard = Heeded(observation=observation, action=action)
    if action.spec.expires_at is not None and action.spec.expires_at <= now:
        message = f"it expired at {action.spec.expires_at:%Y-%m-%d %H:%M:%S} UTC; ask again"
        return replace(heard, outcome=Answer.EXPIRED, message=message)
    if observation.created_at is not None and action.created_at < observation.created_at:
        return heard.refused("it was asked of an earlier ModelDeployment of this name; ask again")
    foreign = _foreign(observation, action)
    if foreign is not None:
        return heard.refused(foreign)
    return _HEARD[action.spec.action](heard, observation, action, now)


def _foreign(observation: Observation, action: ActionView) -> str | None:
    """Why it is about another revision than the one that it would change now."""
    meant = action.spec.candidate_digest
    if meant is None:
        return None
    status = observation.status
    about = status.rejected if action.spec.action is Verb.RETRY else status.candidate or status.stable
    view = observation.revision(about)
    if view is not None and view.spec.digest == meant:
        return None
    now = f"it would be about {about} now" if about else "there is none now"
    return f"it is about revision {short(meant)}, and {now}; look again, and ask anew"


def _approve(heard: Heeded, observation: Observation, action: ActionView, now: datetime) -> Heeded:
    review, candidate = observation.spec.review, observation.candidate
    accepts, alerts = disagreeing(observation, situation_of(observation, now)), answerable(observation)
    if candidate is None or not (accepts or alerts or awaits_review(observation)):
        return heard.refused("no review stands before the candidate: nothing waits for an approval")
    if review is not None and review.role is not None and review.role != action.spec.role:
        return heard.refused(
            f"the review asks for the role {review.role}, and it was approved "
            + (f"as {action.spec.role}" if action.spec.role else "in no role")
            + f"; approve it with role {review.role}"
        )
    assert action.spec.expires_at is not None
    approval = Approval(
        by=action.spec.requested_by,
        role=action.spec.role,
        reason=cut(action.spec.reason),
        digest=candidate.spec.digest,
        at=now,
        expires_at=action.spec.expires_at,
        accepts=tuple(dict.fromkeys((*accepted(observation, candidate), *accepts))),
        alerts=tuple(dict.fromkeys((*settled(observation.status), *(alert.policy for alert in alerts)))),
    )
    version = candidate.spec.model.version
    if accepts:
        message = f"the disagreement of version {version} is accepted: gate {', '.join(accepts)}"
        return _with(heard, {"approval": approval, "resumed_at": now}, message)
    if alerts:
        names = ", ".join(f"{alert.name} (entry {alert.policy})" for alert in alerts)
        left = tuple(alert for alert in observation.status.reviews if alert not in alerts)
        message = f"version {version} goes on in spite of alert {names}"
        return _with(heard, {"approval": approval, "resumed_at": now, "reviews": left}, message)
    message = f"version {version} is approved until {approval.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    return _with(heard, {"approval": approval}, message)


def _pause(heard: Heeded, observation: Observation, action: ActionView, now: datetime) -> Heeded:
    if observation.status.stage not in ROLLING:
        return heard.refused(_not_rolling(observation))
    if observation.status.paused is not None:
        return heard.refused(f"it is paused already, by {observation.status.paused.by}")
    pause = Pause(by=action.spec.requested_by, reason=cut(action.spec.reason), at=now)
    return _with(heard, {"paused": pause}, f"paused in stage {observation.status.stage}")


def _resume(heard: Heeded, observation: Observation, action: ActionView, now: datetime) -> Heeded:
    """Time and budget begin anew, or a pause for want of either would begin again at once."""
    if observation.status.stage not in ROLLING:
        return heard.refused(_not_rolling(observation))
    halted = any(c.type == "Paused" and c.status == "True" for c in observation.status.conditions)
    if observation.status.paused is None and not halted:
        return heard.refused("the rollout is not paused")
    resumed = _with(heard, {"paused": None, "resumed_at": now}, f"goes on in stage {observation.status.stage}")
    if observation.evidence is None:
        return resumed
    unspent = replace(observation.evidence, spent={})
    return replace(resumed, observation=replace(resumed.observation, evidence=unspent))


def _retry(heard: Heeded, observation: Observation, action: ActionView, now: datetime) -> Heeded:
    rejected = observation.status.rejected
    if observation.status.stage is StageName.ROLLBACK:
        return heard.refused("the way back is not over yet; ask again when it is")
    if rejected is None or rejected != observation.target:
        return heard.refused("the spec names no version that was rolled back: there is nothing to try again")
    return _with(heard, {"rejected": None}, f"revision {rejected} is tried again")


def _promote(heard: Heeded, observation: Observation, action: ActionView, now: datetime) -> Heeded:
    status = observation.status
    if status.stage not in ROLLING:
        return heard.refused(_not_rolling(observation))
    if awaits_review(observation):
        return heard.refused("a review stands before the candidate's first users; have it approved instead")
    asked_about = unanswered(observation)
    if asked_about:
        return heard.refused(f"alert {asked_about[0].name} waits for a person's word; approve or reject it instead")
    if status.stage is StageName.SOAK and status.weight != soak_weight(observation.spec):
        return heard.refused("it goes to all traffic already, as soon as its pods are ready")
    return replace(_with(heard, {"paused": None}, ""), decides=True)


def _reject(heard: Heeded, observation: Observation, action: ActionView, now: datetime) -> Heeded:
    if observation.status.stage not in ROLLING:
        return heard.refused(_not_rolling(observation))
    return replace(heard, decides=True)


def _rollback(heard: Heeded, observation: Observation, action: ActionView, now: datetime) -> Heeded:
    if observation.stable is None:
        return heard.refused("no version is live yet: there is nothing to go back to")
    found = complaint_of(observation, action.spec.alert, now) if action.spec.alert is not None else None
    if isinstance(found, Complaint) and found.review:
        put_to = put(observation, found)
        return replace(
            heard, observation=put_to, message=f"both versions share it, so a person is asked: {sentence(found)}"
        )
    return replace(heard, decides=True)


_HEARD = {
    Verb.APPROVE: _approve,
    Verb.REJECT: _reject,
    Verb.PROMOTE: _promote,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.ROLLBACK: _rollback,
    Verb.RETRY: _retry,
}


def _not_rolling(observation: Observation) -> str:
    return f"no rollout is under way: the stage is {observation.status.stage or StageName.INSTALL}"


def _with(heard: Heeded, changes: Mapping[str, object], message: str) -> Heeded:
    status: ModelDeploymentStatus = heard.observation.status.model_copy(update=changes)
    return replace(heard, observation=replace(heard.observation, status=status), message=message)


_NOTED = {
    Verb.PAUSE: (Outcome.PAUSE, "PausedByPerson"),
    Verb.RESUME: (Outcome.RESUME, "Resumed"),
    Verb.APPROVE: (Outcome.RESUME, "DisagreementAccepted"),
}


def noted(heeded: Heeded, decision: Decision, now: datetime) -> Decision:
    """A pause, its end and a disagreement that is accepted are on record, unless the same plan has decided more."""
    action = heeded.action
    if action is None or heeded.outcome is not Answer.APPLIED or decision.record is not None:
        return decision
    if action.spec.action not in _NOTED or decision.candidate is None:
        return decision
    if action.spec.action is Verb.APPROVE and not waiting_since_told(heeded.observation):
        return decision  # a review that is passed, or an alert that is accepted, has a record of its own
    outcome, reason = _NOTED[action.spec.action]
    message = f"{heeded.message}, asked by {action.spec.requested_by}: {action.spec.reason}"
    return replace(
        decision,
        record=record(
            at=now,
            outcome=outcome,
            reason=reason,
            message=message,
            stage=decision.stage,
            weight=decision.weight,
            by=action.spec.requested_by,
        ),
        recorded_on=decision.candidate,
    )
