"""An alert that both versions share: the world has changed, or something that both rest on. A person looks and says.

It is no reason to go back, since the live version has it too, and maybe one not to go on. Where `sharedWithLive` is
Review, everything stays as it is: evidence is gathered, harm rolls back, and the question stays when the alert is over,
because it was put. An approval is its answer, for the entry of rollout.alerts that asked and for the rest of the
rollout; without that entry there is no question any more.
"""

from dataclasses import replace
from datetime import datetime

from modelrollout.api.alerts import FiredAlert, SharedAlert
from modelrollout.api.modeldeployment import StageName
from modelrollout.api.modelrevision import DecisionRecord, Outcome
from modelrollout.plan.alarm import told_labels, watched
from modelrollout.plan.alerts import Complaint, complaint, names_of_live, settled
from modelrollout.plan.observation import Observation, RevisionView
from modelrollout.plan.plan import Decision, Standing
from modelrollout.plan.records import record
from modelrollout.plan.review import awaited
from modelrollout.plan.situation import Situation

REASON = "SharedAlert"
ACCEPTED = "SharedAlertAccepted"


def questioned(observation: Observation, now: datetime) -> Observation:
    """What a plan starts from, when alerts that fire now are put to a person."""
    if not any(policy.shared_with_live is SharedAlert.REVIEW for policy in observation.spec.rollout.alerts):
        return observation
    of = watched(observation)
    of_live = names_of_live(observation.firing, of)
    for alert in observation.firing:
        found = complaint(alert, of, now=now, of_live=of_live)
        if isinstance(found, Complaint) and found.review:
            observation = put(observation, found)
            of = watched(observation)
    return observation


def put(observation: Observation, found: Complaint) -> Observation:
    """The question is part of the status from now on."""
    reviews = (*unanswered(observation), found.record)
    return replace(observation, status=observation.status.model_copy(update={"reviews": reviews}))


def unanswered(observation: Observation) -> tuple[FiredAlert, ...]:
    """Alerts that a person is asked about, by entries that still ask."""
    asking = {
        policy.name for policy in observation.spec.rollout.alerts if policy.shared_with_live is SharedAlert.REVIEW
    }
    return tuple(alert for alert in observation.status.reviews if alert.policy in asking)


def answerable(observation: Observation) -> tuple[FiredAlert, ...]:
    """Those of them that an approval is about: people were told of them, and of nothing else since."""
    candidate = observation.candidate
    if candidate is None or awaited(observation) != REASON:
        return ()
    return tuple(alert for alert in unanswered(observation) if _is_told(observation, candidate, alert))


def shared_alert(situation: Situation) -> Decision | None:
    """None where no person is asked about an alert. What a person said of one is on record in a plan of its own."""
    observation = situation.observation
    found = unanswered(observation)
    if not found:
        return _accepted(situation)
    untold = next((alert for alert in found if not _is_told(observation, situation.candidate, alert)), None)
    return _held(
        situation,
        reason=REASON,
        message=_message(observation, found),
        standing=Standing.AWAITING_REVIEW,
        told=_record(situation, Outcome.PAUSE, REASON, _message(observation, (untold,)), untold) if untold else None,
    )


def _accepted(situation: Situation) -> Decision | None:
    observation, candidate = situation.observation, situation.candidate
    approval, answered = observation.status.approval, settled(observation.status)
    alert = next(
        (
            alert
            for alert in _told(observation, candidate, REASON)
            if alert.policy in answered and not _is_told(observation, candidate, alert, reason=ACCEPTED)
        ),
        None,
    )
    if alert is None or approval is None:
        return None
    message = f"it goes on in spite of alert {alert.name} (entry {alert.policy}), approved by {approval.by}: "
    message += approval.reason
    told = _record(situation, Outcome.RESUME, ACCEPTED, message, alert, by=approval.by)
    held = _held(situation, reason=ACCEPTED, message=message, standing=Standing.WORKING, told=told)
    return replace(held, wake_at=situation.now)


def _held(
    situation: Situation, *, reason: str, message: str, standing: Standing, told: DecisionRecord | None
) -> Decision:
    status = situation.observation.status
    stage = status.stage or StageName.CANARY
    return situation.decision(
        stage=stage,
        reason=reason,
        message=message,
        weight=status.weight,
        capacity=100 if stage in (StageName.SHADOW, StageName.SOAK) else status.weight,
        mirror=stage is StageName.SHADOW,
        standing=standing,
        record=told,
    )


def _record(
    situation: Situation, outcome: Outcome, reason: str, message: str, alert: FiredAlert, *, by: str | None = None
) -> DecisionRecord:
    status = situation.observation.status
    return record(
        at=situation.now,
        outcome=outcome,
        reason=reason,
        message=message,
        stage=status.stage or StageName.CANARY,
        weight=status.weight,
        judgement=situation.judgement,
        by=by,
        alert=alert,
    )


def _is_told(observation: Observation, candidate: RevisionView, alert: FiredAlert, *, reason: str = REASON) -> bool:
    return any(told.policy == alert.policy for told in _told(observation, candidate, reason))


def _told(observation: Observation, candidate: RevisionView, reason: str) -> list[FiredAlert]:
    """Alerts that are on record for this reason in this rollout."""
    began = observation.status.rollout_started_at
    return [
        one.alert
        for one in candidate.status.decisions
        if one.reason == reason and one.alert is not None and (began is None or one.at >= began)
    ]


def _message(observation: Observation, alerts: tuple[FiredAlert, ...]) -> str:
    policies = {policy.name: policy for policy in observation.spec.rollout.alerts}
    fired = "; ".join(
        f"alert {alert.name} fired at {alert.starts_at:%H:%M:%S} ({told_labels(alert, policies[alert.policy])})"
        for alert in alerts
    )
    name = f"{observation.name} -n {observation.namespace}"
    return (
        f"{fired}; the live version shares it, or it names no version, so it holds until a person says: "
        f"kubectl model approve {name}, or reject"
    )
