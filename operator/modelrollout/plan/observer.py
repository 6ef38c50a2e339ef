"""The observer beside a rollout: when there is one, what it is told, and when requests are copied to it.

It is never in the way. Nobody's answer comes from it, no step waits for it but the judgement of its own gates, and its
objects come last in every plan. Copies go to it only while it is ready: a mirror to a Service without endpoints fills a
gateway's log with errors. In shadow the candidate gets them instead while it is not, as if nothing were observed.
"""

import hashlib

from modelrollout.api.modeldeployment import StageName
from modelrollout.api.observe import Observe
from modelrollout.api.observer import REQUEST_PORT, Arm, ObserverSettings, resolved, service_name
from modelrollout.api.revision import child_name
from modelrollout.plan.actions import ApplyObserver, RemoveObserver
from modelrollout.plan.observation import Backend, Observation, RevisionView
from modelrollout.plan.plan import Decision
from modelrollout.plan.watch import soak_weight

CANARY_SHARE = 0.25
"""Of the requests a second that are sampled in shadow: in a canary the candidate has requests of its own."""

_SHAPE = 1
"""Counts up with what the observer's objects look like, so that a newer operator makes them anew."""


def observer_actions(observation: Observation, decision: Decision) -> list[ApplyObserver | RemoveObserver]:
    """What brings the observer to where it should be; nothing where it is there already."""
    wanted, present = _wanted(observation, decision), observation.observer
    if wanted is None:
        return [RemoveObserver()] if present is not None else []
    if present is None or not present.complete or present.service is None or present.service.settings != wanted.digest:
        return [wanted]
    return []


def observer_mirror(observation: Observation, decision: Decision, *, share: int) -> Backend | None:
    """Where copies of requests go, if they go to an observer; `share` is the candidate's weight in the route."""
    present = observation.observer
    if present is None or not present.ready or _arms(observation, decision) is None:
        return None
    match decision.stage:
        case StageName.SHADOW if not decision.mirror:
            return None
        case StageName.CANARY if share == 0:
            return None
        case StageName.REVIEW:
            return None
        case _:
            return Backend(service=service_name(observation.name), port=REQUEST_PORT)


def _arms(observation: Observation, decision: Decision) -> tuple[RevisionView, RevisionView | None] | None:
    """Live version and candidate, the version alone where only its inputs are counted, or None for no observer.

    While a person reviews, it stays for its examples.
    """
    observe, spec = observation.spec.observe, observation.spec
    stable, candidate = observation.revision(decision.stable), observation.revision(decision.candidate)
    if observe is None or spec.route is None or stable is None:
        return None
    match decision.stage:
        case StageName.SHADOW | StageName.CANARY if candidate is not None:
            return stable, candidate
        case StageName.REVIEW if candidate is not None and observation.observer is not None:
            return stable, candidate
        case StageName.SOAK if observe.monitoring and candidate and decision.weight >= soak_weight(spec):
            return candidate, None
        case StageName.SOAK | StageName.LIVE if observe.monitoring is not None:
            return stable, None
        case _:
            return None


def _wanted(observation: Observation, decision: Decision) -> ApplyObserver | None:
    arms = _arms(observation, decision)
    if arms is None or observation.spec.observe is None:
        return None
    live, candidate = arms
    about = candidate or live
    settings = ObserverSettings(
        namespace=observation.namespace,
        deployment=observation.name,
        live=_arm(observation, live),
        candidate=_arm(observation, candidate) if candidate is not None else None,
        observe=resolved(_sampled(observation.spec.observe, decision.stage), observation.spec.serving.server),
        contract=about.spec.contract,
        reference=about.spec.reference,
    ).model_dump_json(by_alias=True, exclude_none=True)
    image = observation.observer_image
    asked = [live] if candidate is None else [live, candidate]
    return ApplyObserver(
        settings=settings,
        digest=hashlib.sha256(f"{_SHAPE}\n{image}\n{settings}".encode()).hexdigest()[:16],
        image=image,
        revisions=tuple(view.id for view in asked),
        ports=tuple(sorted({view.spec.serving.port for view in asked})),
    )


def _arm(observation: Observation, view: RevisionView) -> Arm:
    host = f"{child_name(observation.name, view.id)}.{observation.namespace}.svc"
    return Arm(revision=view.id, url=f"http://{host}:{view.spec.serving.port}")


def _sampled(observe: Observe, stage: StageName) -> Observe:
    if stage is not StageName.CANARY:
        return observe
    fewer = observe.sample.model_copy(update={"per_second": observe.sample.per_second * CANARY_SHARE})
    return observe.model_copy(update={"sample": fewer})
