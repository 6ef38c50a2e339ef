"""From a decision to the smallest plan that gets there.

The order of actions is the safety argument. Traffic first: a rollback's first action is weight 0, and no weight rises
before the pods that carry it were seen ready. Then what has to be there, and last what may go: pods of a revision are
removed only some time after its traffic ended, in a later plan.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from modelrollout.api.group import LABEL_NAME, LABEL_REVISION
from modelrollout.api.modeldeployment import AnsweredAction, StageName
from modelrollout.api.revision import child_name
from modelrollout.api.rolloutaction import Answer
from modelrollout.plan.actions import (
    Action,
    ApplyConfig,
    ApplyEntry,
    ApplyRoute,
    ApplyService,
    ApplyWorkload,
    CreateRevision,
    RemoveRoute,
    RemoveWorkload,
)
from modelrollout.plan.alerts import Watched
from modelrollout.plan.capacity import carried_weight, replicas_for, replicas_for_ratio
from modelrollout.plan.observation import Backend, Observation, RevisionView, RouteView, ServiceView
from modelrollout.plan.observer import observer_actions, observer_mirror
from modelrollout.plan.plan import Decision, Notice, Plan, Standing
from modelrollout.plan.retention import answered_long_ago, too_old, untold
from modelrollout.plan.status import deployment_status, revision_statuses
from modelrollout.plan.watch import is_watched

DRAIN = timedelta(seconds=10)
"""How long the pods of a revision live on after its weight went to 0, for requests that are still being answered."""

OBSERVER_RETRY = timedelta(seconds=30)
"""No plan fails for the observer's sake, so what failed is tried again by itself."""


def shape(
    observation: Observation, decision: Decision, now: datetime, *, answers: tuple[AnsweredAction, ...] = ()
) -> Plan:
    """`answers` are those that the status is to keep; the plan hands on the ones that their actions do not have yet."""
    revisions = revision_statuses(observation, decision, now)
    leaving, next_removal = _removals(observation, decision, now)
    observing = observer_actions(observation, decision)
    retry = now + OBSERVER_RETRY if observing else None
    status = deployment_status(
        observation,
        decision,
        now,
        tell_numbers=decision.evidence is None or decision.candidate in revisions,
        answers=answers,
        revisions=revisions,
    )
    watched = Watched(
        namespace=observation.namespace, name=observation.name, policies=observation.spec.rollout.alerts, status=status
    )
    listens = watched.listens(now)
    alarms = watched.until if listens else None
    wakes = [at for at in (decision.wake_at, next_removal, retry, alarms) if at is not None]
    return Plan(
        actions=(
            *_traffic(observation, decision, leaving),
            *_workloads(observation, decision),
            *leaving,
            *too_old(observation, decision),
            *answered_long_ago(observation),
            *observing,
        ),
        status=status,
        revisions=revisions,
        notices=(*_notices(observation, decision), *_refusals(observation, answers)),
        answers=untold(observation, answers),
        records=(decision.record,) if decision.record else (),
        evidence=decision.evidence if decision.candidate else None,
        judgement=decision.judgement,
        wants_readings=decision.candidate is not None and is_watched(observation.spec, decision.stage),
        wants_alerts=listens,
        wants_verification=decision.verify,
        requeue_after=max(0.05, (min(wakes) - now).total_seconds()) if wakes else None,
    )


def _traffic(observation: Observation, decision: Decision, leaving: Sequence[RemoveWorkload]) -> list[Action]:
    actions: list[Action] = []
    if decision.stable is None:
        return actions
    if observation.spec.route is None:
        if observation.route is not None:
            actions.append(RemoveRoute())
    else:
        wanted = _route(observation, decision, leaving)
        if wanted != observation.route:
            actions.append(ApplyRoute(wanted))
    entry = _entry(observation, decision.stable, decision)
    if observation.entry is None or _as_action(observation.entry) != entry:
        actions.append(entry)
    return actions


def _route(observation: Observation, decision: Decision, leaving: Sequence[RemoveWorkload]) -> RouteView:
    """Whoever has a Service is named, with weight 0 before its first share and after its last one.

    A gateway learns of a backend and of its weight by separate ways, in any order: requests for a backend that it does
    not know yet, or not any more, are answered with 503.
    """
    assert observation.spec.route is not None
    assert decision.stable is not None
    candidate = observation.revision(decision.candidate)
    carried = carried_weight(ready=candidate.ready, replicas=observation.spec.serving.replicas) if candidate else 0
    share = min(decision.weight, carried)
    weights = {decision.stable: 100 - share}
    if candidate is not None and share > 0:
        weights[candidate.id] = share
    gone = {action.revision for action in leaving}
    for view in observation.revisions.values():
        if view.service is not None and view.id not in gone:
            weights.setdefault(view.id, 0)
    mirrored = candidate is not None and decision.mirror and carried >= 100
    observer = observer_mirror(observation, decision, share=share)
    return RouteView(
        backends=tuple(_backend(observation, id, weight=weight) for id, weight in weights.items()),
        mirror=_mirror(observation, decision, observer, mirrored=mirrored),
        parents=tuple((ref.name, ref.namespace, ref.section_name) for ref in observation.spec.route.parent_refs),
        hostnames=observation.spec.route.hostnames,
    )


def _mirror(
    observation: Observation, decision: Decision, observer: Backend | None, *, mirrored: bool
) -> Backend | None:
    """Copies go to one place: the observer where there is one, else in shadow the candidate."""
    if decision.stage is StageName.SHADOW and not mirrored:
        return None
    if observer is None and mirrored and decision.candidate is not None:
        return _backend(observation, decision.candidate)
    return observer


def _backend(observation: Observation, revision: str, *, weight: int = 0) -> Backend:
    return Backend(service=child_name(observation.name, revision), port=_port(observation, revision), weight=weight)


def _entry(observation: Observation, stable: str, decision: Decision) -> ApplyEntry:
    """With a route: the stable revision. Without one: both while the candidate has a share, one otherwise.

    Pods are the share then, so more of them than were asked for get nothing until they are gone.
    """
    only: str | None = stable
    if observation.spec.route is None and decision.candidate is not None:
        candidate = observation.revision(decision.candidate)
        ready = candidate.ready if candidate else 0
        if decision.weight >= 100 and ready >= observation.spec.serving.replicas:
            only = decision.candidate
        elif decision.weight > 0 and ready <= _candidate_replicas(observation, decision):
            only = None
    labels = {LABEL_NAME: observation.name, **({LABEL_REVISION: only} if only else {})}
    return ApplyEntry(selector=labels, port=_port(observation, only or stable))


def _as_action(entry: ServiceView) -> ApplyEntry:
    return ApplyEntry(selector=dict(entry.selector), port=entry.port)


def _port(observation: Observation, revision: str) -> int:
    """A revision that is gone keeps the port on which its traffic goes now: the spec's may be another version's."""
    view = observation.revision(revision)
    if view is not None:
        return view.spec.serving.port
    service = child_name(observation.name, revision)
    backends = observation.route.backends if observation.route and revision != observation.target else ()
    known = next((backend.port for backend in backends if backend.service == service), None)
    if known is None and observation.entry and observation.entry.selector.get(LABEL_REVISION) == revision:
        known = observation.entry.port
    return known or observation.spec.serving.port


def _workloads(observation: Observation, decision: Decision) -> list[Action]:
    """The revision object, its Service and its Deployment, for the stable revision and the candidate."""
    actions: list[Action] = []
    wanted = {decision.stable: observation.spec.serving.replicas} if decision.stable else {}
    if decision.candidate:
        wanted[decision.candidate] = _candidate_replicas(observation, decision)
    for revision, replicas in wanted.items():
        view = observation.revision(revision)
        if view is None:
            if revision != observation.target:
                continue  # its content is gone with its ModelRevision; what runs is left alone
            actions.append(CreateRevision(revision=revision))
        actions += _copies(observation, view)
        if view is None or view.service is None or view.service.port != view.spec.serving.port:
            actions.append(ApplyService(revision=revision))
        if view is None or view.workload is None or view.workload.replicas != replicas:
            actions.append(ApplyWorkload(revision=revision, replicas=replicas))
    return actions


def _copies(observation: Observation, view: RevisionView | None) -> list[Action]:
    """Immutable copies of what the revision reads, where one is not there or does not know that this one reads it.

    The content of a copy can only come from the spec's own ConfigMaps: one that was deleted by hand stays away.
    """
    config = view.spec.config if view is not None else observation.wanted.config
    uid = view.uid if view is not None else None
    return [
        ApplyConfig(copy=one.copy_name)
        for one in config.config_maps
        if uid not in observation.copies.get(one.copy_name, frozenset()) and one.copy_name in observation.wanted.sources
    ]


def _candidate_replicas(observation: Observation, decision: Decision) -> int:
    """Enough for the weight that is being prepared; within a rollout it grows only, so that no step waits twice."""
    replicas = observation.spec.serving.replicas
    weight = max(decision.weight, decision.capacity)
    ratio = observation.spec.route is None and decision.stage is StageName.CANARY
    needed = (replicas_for_ratio if ratio else replicas_for)(weight=weight, replicas=replicas)
    view = observation.revision(decision.candidate)
    running = view.workload.replicas if view and view.workload and not ratio else 0
    return min(replicas, max(needed, running))


def _removals(
    observation: Observation, decision: Decision, now: datetime
) -> tuple[list[RemoveWorkload], datetime | None]:
    """Revisions that have no part any more, and when the next of them may go."""
    actions: list[RemoveWorkload] = []
    waiting: list[datetime] = []
    for view in observation.revisions.values():
        if view.id in (decision.stable, decision.candidate) or (view.workload is None and view.service is None):
            continue
        ended = now if view.id in decision.ended else _traffic_ended_at(view, now)
        if now >= ended + DRAIN:
            actions.append(RemoveWorkload(revision=view.id))
        else:
            waiting.append(ended + DRAIN)
    return actions, min(waiting, default=None)


def _traffic_ended_at(view: RevisionView, now: datetime) -> datetime:
    return view.status.traffic_ended_at or now


def _refusals(observation: Observation, answers: tuple[AnsweredAction, ...]) -> tuple[Notice, ...]:
    known = {answer.uid for answer in observation.status.actions}
    return tuple(
        Notice(
            reason=f"Action{answer.outcome}", message=f"{answer.action} of {answer.by}: {answer.message}", warning=True
        )
        for answer in answers
        if answer.uid not in known and answer.outcome is not Answer.APPLIED
    )


def _notices(observation: Observation, decision: Decision) -> tuple[Notice, ...]:
    if decision.record is not None:
        bad = decision.standing in (Standing.ROLLED_BACK, Standing.PAUSED, Standing.AWAITING_REVIEW)
        return (Notice(reason=decision.record.reason, message=decision.record.message, warning=bad),)
    if decision.standing in (Standing.STALLED, Standing.PAUSED):
        told = any(
            c.type == "Stalled" and c.status == "True" and c.reason == decision.reason
            for c in observation.status.conditions
        )
        if not told:
            return (Notice(reason=decision.reason, message=decision.message, warning=True),)
    return ()
