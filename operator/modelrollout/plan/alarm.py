"""A firing alert takes a version back at once, in whatever stage it is.

Alerts come two ways to the same judgement (`plan.alerts`). What Alertmanager sends to the receiver is kept as a
RolloutAction, and is heard like what a person asks for. What Prometheus says of itself is part of the observation, so
that an alert counts as well while nobody can deliver it. Whichever comes first decides; for the other there is then no
candidate left that it could be about.
"""

from datetime import datetime

from modelrollout.api.alerts import AlertPolicy, FiredAlert
from modelrollout.plan.alerts import Complaint, Firing, Watched, complaint, names_of_live
from modelrollout.plan.observation import Observation
from modelrollout.plan.plan import Decision
from modelrollout.plan.rollback import roll_back
from modelrollout.plan.situation import situation_of
from modelrollout.plan.turn_back import previous_of, turn_back

REASON = "AlertFiring"

_TOLD = ("severity", "namespace", "pod", "service", "deployment", "revision")
"""Labels that a sentence has room for, beside those that the policy names."""


def watched(observation: Observation) -> Watched:
    return Watched(
        namespace=observation.namespace,
        name=observation.name,
        policies=observation.spec.rollout.alerts,
        status=observation.status,
    )


def alarmed(observation: Observation, now: datetime) -> Decision | None:
    """The way back, if an alert fires that asks for it."""
    if not observation.firing:
        return None
    of = watched(observation)
    of_live = names_of_live(observation.firing, of)
    for alert in observation.firing:
        found = complaint(alert, of, now=now, of_live=of_live)
        if isinstance(found, str) or found.review:
            continue
        decision = taken_back(observation, found, now)
        if isinstance(decision, Decision):
            return decision
    return None


def complaint_of(observation: Observation, alert: FiredAlert, now: datetime) -> Complaint | str:
    """What an alert that was sent asks for by now: much may have changed since."""
    of = watched(observation)
    return complaint(Firing(alert.labels, alert.starts_at), of, now=now, of_live=names_of_live(observation.firing, of))


def heard(observation: Observation, alert: FiredAlert, now: datetime, *, by: str) -> Decision | str:
    """The way back that an alert asked for, or why there is none."""
    found = complaint_of(observation, alert, now)
    if isinstance(found, str):
        return f"alert {alert.name}: {found}"
    return taken_back(observation, found, now, by=by)


def taken_back(observation: Observation, found: Complaint, now: datetime, *, by: str | None = None) -> Decision | str:
    why = sentence(found)
    if found.revision == observation.status.candidate:
        situation = situation_of(observation, now)
        if situation is None:
            return "a version of the rollout is gone"
        return roll_back(situation, reason=REASON, why=why, by=by, alert=found.record)
    to = previous_of(observation)
    if to is None:
        return "no version was live before this one, or none is kept any more"
    return turn_back(observation, to=to, reason=REASON, why=why, now=now, by=by, alert=found.record)


def sentence(found: Complaint) -> str:
    alert = found.record
    return f"alert {alert.name} is firing since {alert.starts_at:%H:%M:%S} ({told_labels(alert, found.policy)})"


def told_labels(alert: FiredAlert, policy: AlertPolicy) -> str:
    """The entry that names it, and those of its labels that tell what it is about."""
    shown = dict.fromkeys((*policy.match, *policy.match_regex, *_TOLD))
    labels = ", ".join(f"{label}={alert.labels[label]}" for label in shown if alert.labels.get(label))
    return f"entry {policy.name}: {labels}"
