"""One reconcile: observe, plan, act, write the status once.

The order makes a crash harmless at any point. Actions follow from what is observed, so a plan that was cut short is
made again; the status is written last, guarded by the resource version that was planned from, so two writers cannot
mix; and the ledger takes over a reading only together with the evidence that it was planned into, so no request counts
twice.
"""

import contextlib
import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import (
    EVENTS,
    MODEL_DEPLOYMENTS,
    MODEL_REVISIONS,
    ROLLOUT_ACTIONS,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    KubernetesApi,
    NotFound,
    Resource,
)
from modelrollout.adapters.queries import PodSelector
from modelrollout.adapters.tracing import NO_SPAN, Span
from modelrollout.api.base import ApiType, seconds
from modelrollout.api.group import API_VERSION, FIELD_MANAGER, MODEL_DEPLOYMENT
from modelrollout.api.modeldeployment import AnsweredAction, ModelDeploymentSpec, ModelDeploymentStatus
from modelrollout.api.modelrevision import ModelRevisionStatus
from modelrollout.api.rolloutaction import RolloutActionStatus
from modelrollout.children import Owner
from modelrollout.plan import Plan, plan
from modelrollout.plan.alerts import Selector
from modelrollout.plan.conditions import broken
from modelrollout.plan.observation import ActionView, Observation, Reading
from modelrollout.plan.plan import Notice
from modelrollout.plan.watch import watched
from modelrollout.runtime import traced
from modelrollout.runtime.act import Actor
from modelrollout.runtime.cache import Cache
from modelrollout.runtime.configs import SECRET_PERIOD_SECONDS, Secrets
from modelrollout.runtime.history import Histories
from modelrollout.runtime.hub import MetricsHub, Subscription
from modelrollout.runtime.kept import Revision
from modelrollout.runtime.ledger import Entry, Ledger
from modelrollout.runtime.observe import Observer, Seen
from modelrollout.runtime.projections import Deployment
from modelrollout.runtime.queue import Key
from modelrollout.runtime.readings import Arms, subscription
from modelrollout.runtime.registry_link import RegistryLink
from modelrollout.runtime.rollout_gauges import show
from modelrollout.runtime.settings import OBSERVER_IMAGE
from modelrollout.runtime.telemetry import Telemetry
from modelrollout.runtime.verifier import Verifier, question_of
from modelrollout.runtime.wanted import Lookup

log = logging.getLogger(__name__)


class Reconciler:
    def __init__(
        self,
        *,
        api: KubernetesApi,
        cache: Cache,
        ledger: Ledger,
        hub: MetricsHub,
        histories: Histories,
        verifier: Verifier,
        clock: Clock,
        telemetry: Telemetry,
        registry: RegistryLink | None = None,
        observer_image: str = OBSERVER_IMAGE,
    ) -> None:
        """`registry` is that of an operator without one where it is left out."""
        self._api = api
        self._cache = cache
        self._ledger = ledger
        self._hub = hub
        self._verifier = verifier
        self._clock = clock
        self._telemetry = telemetry
        self._registry = registry or RegistryLink(cache=cache, clock=clock, wake=lambda _: None)
        secrets = Secrets(clock)
        lookup = Lookup(api=api, configs=cache.configs, secrets=secrets, resolver=self._registry.resolver)
        self._observer = Observer(
            cache=cache,
            ledger=ledger,
            hub=hub,
            histories=histories,
            lookup=lookup,
            registry=self._registry,
            observer_image=observer_image,
            verifier=verifier,
        )
        self._actor = Actor(api=api, cache=cache)

    async def reconcile(self, key: Key, span: Span = NO_SPAN) -> float | None:
        """Seconds until this key should be looked at again, None to wait for an event. ApiErrors are to be retried.

        `span` is told what was found and decided.
        """
        deployment = self._cache.family(key).deployment
        if deployment is None:
            self._forget(key)
            return None
        if deployment.spec is None:
            self._forget(key)
            span.set(reason="InvalidSpec")
            await self._stall(deployment, reason="InvalidSpec", message=deployment.unreadable or "unreadable")
            return None
        seen = await self._observer.observe(key, deployment, deployment.spec)
        now = self._clock.now()
        planned = plan(seen.observation, now)
        traced.planned(span, seen.observation, planned)
        self._remember(key, seen, planned)
        owner = Owner(namespace=deployment.namespace, name=deployment.name, uid=deployment.uid)
        changed = False
        try:
            for action in planned.actions:
                changed |= await self._actor.act(action, owner=owner, observation=seen.observation)
        except (Invalid, Forbidden) as error:
            # Nothing that a retry could mend: the person who wrote the manifest or the role has to.
            reason = "InvalidTemplate" if isinstance(error, Invalid) else "Forbidden"
            span.set(reason=reason)
            await self._stall(deployment, reason=reason, message=error.message)
            raise
        changed |= await self._write(deployment, seen.observation, planned)
        self._subscribe(key, seen.observation, planned)
        for answer in planned.answers:
            await self._tell(deployment, answer)
        self._forget_what_is_decided(key, planned)
        self._registry.write_back.look(key)
        show(self._telemetry, key, planned)
        for record in planned.records:
            self._telemetry.decided(outcome=record.outcome, reason=record.reason)
            traced.decided(span, record)
        for notice in planned.notices:
            await self._post(deployment, notice, now)
        # Our own writes are in the cache already, so their watch events are no news and wake nobody.
        return 0.0 if changed else _sooner(planned.requeue_after, deployment.spec)

    def _remember(self, key: Key, seen: Seen, planned: Plan) -> None:
        observation = seen.observation
        if planned.wants_verification and (question := question_of(observation, planned)) is not None:
            self._verifier.ask(key, question)
        if not self._hub.has(key):
            self._subscribe(key, observation, planned)
        if not planned.wants_readings:
            return
        if planned.evidence is not None and seen.counters is not None and isinstance(observation.reading, Reading):
            entry = Entry(
                revision=planned.evidence.revision,
                read_at=observation.reading.at,
                counters=seen.counters,
                evidence=planned.evidence,
                missing=observation.reading.missing,
            )
            self._ledger.put(key, entry)

    def _subscribe(self, key: Key, observation: Observation, planned: Plan) -> None:
        """To what the next stage needs only when the step to it is written: one that could not be is tried again, from
        readings of the stage that it ends.
        """
        if planned.wants_readings or planned.wants_alerts:
            self._hub.subscribe(key, _wanted(observation, planned))

    def _forget_what_is_decided(self, key: Key, planned: Plan) -> None:
        """Only now that it is written: a decision whose writes fail is made again, from the same evidence."""
        if not planned.wants_verification:
            self._verifier.forget(key)
        if not planned.wants_readings and not planned.wants_alerts:
            self._hub.unsubscribe(key)
        if planned.evidence is None or not planned.wants_readings:
            self._ledger.drop(key)

    def _forget(self, key: Key) -> None:
        self._verifier.forget(key)
        self._hub.unsubscribe(key)
        self._ledger.drop(key)
        self._registry.forget(key)
        self._telemetry.remove_rollout(key)

    async def _write(self, deployment: Deployment, observation: Observation, planned: Plan) -> bool:
        """Revisions first: evidence may be newer than a stage, but a stage never rests on evidence that is missing."""
        family = self._cache.family((deployment.namespace, deployment.name))
        by_id = {revision.id: revision for revision in family.revisions.values()}
        for id, status in planned.revisions.items():
            revision = by_id.get(id)
            if revision is None:
                continue  # made by a plan whose answer has not come back yet; the next plan writes it
            view = observation.revision(id)
            if revision.read()[1] != (view.status if view else ModelRevisionStatus()):
                # Somebody wrote while we acted: the cache has the newer version, the plan rests on the older one.
                raise Conflict(409, "Conflict", f"the status of {revision.name} has changed since this was planned")
            await self._patch(MODEL_REVISIONS, deployment.namespace, revision, status)
        return await self._write_status(deployment, planned.status) or bool(planned.revisions)

    async def _tell(self, deployment: Deployment, answer: AnsweredAction) -> None:
        """Into the action's own status. The answer stands in ours already, so this is done again until it succeeds."""
        action = self._cache.family(_key(deployment)).actions.get(answer.name)
        if action is None or action.uid != answer.uid:
            return
        status = RolloutActionStatus(outcome=answer.outcome, message=answer.message, at=answer.at)
        with contextlib.suppress(NotFound):  # its author has taken it back
            await self._patch(ROLLOUT_ACTIONS, deployment.namespace, action, status)

    async def _write_status(self, deployment: Deployment, status: ModelDeploymentStatus) -> bool:
        """Whether there was anything to write."""
        if status == deployment.status:
            return False
        await self._patch(MODEL_DEPLOYMENTS, deployment.namespace, deployment, status)
        return True

    async def _patch(
        self, resource: Resource, namespace: str, seen: Deployment | Revision | ActionView, status: ApiType
    ) -> None:
        """As `seen` was; who has written since then is a Conflict."""
        body = await self._api.patch_status(
            resource,
            namespace=namespace,
            name=seen.name,
            resource_version=seen.resource_version,
            status=status.model_dump(mode="json", by_alias=True),
        )
        self._cache.put(resource, body)

    async def _stall(self, deployment: Deployment, *, reason: str, message: str) -> None:
        now = self._clock.now()
        conditions = broken(
            previous=deployment.status.conditions,
            generation=deployment.generation,
            now=now,
            reason=reason,
            message=message,
        )
        status = deployment.status.model_copy(
            update={"observed_generation": deployment.generation, "conditions": conditions}
        )
        if status != deployment.status:
            await self._write_status(deployment, status)
            await self._post(deployment, Notice(reason=reason, message=message, warning=True), now)

    async def _post(self, deployment: Deployment, notice: Notice, now: datetime) -> None:
        """An Event that cannot be posted is logged: it is the copy of a record that the status keeps."""
        log.info("%s/%s: %s: %s", deployment.namespace, deployment.name, notice.reason, notice.message)
        try:
            await self._api.create(EVENTS, event(deployment, notice, now))
        except ApiError as error:
            log.warning("%s/%s: event %s was not posted: %s", *_key(deployment), notice.reason, error)


def _sooner(again: float | None, spec: ModelDeploymentSpec) -> float | None:
    """Secrets are not watched: who names one is looked at once a minute."""
    if not spec.config.secret_refs:
        return again
    return SECRET_PERIOD_SECONDS if again is None else min(again, SECRET_PERIOD_SECONDS)


def _key(deployment: Deployment) -> Key:
    return (deployment.namespace, deployment.name)


def _wanted(observation: Observation, planned: Plan) -> Subscription:
    """What a plan wants to be told of at each tick: counters, alerts, or both."""
    policies = observation.spec.rollout.alerts if planned.wants_alerts else ()
    alerts = frozenset(Selector.of(policy) for policy in policies)
    if planned.wants_readings:
        arms = arms_of(observation, planned)
        looked_at = watched(observation.spec, planned.status.stage)
        return replace(subscription(observation.namespace, observation.name, looked_at, arms), alerts=alerts)
    return Subscription(
        interval_seconds=seconds(observation.spec.rollout.interval),
        selector=PodSelector(namespace=observation.namespace, deployment=observation.name),
        families=frozenset(),
        alerts=alerts,
        reads=False,
    )


def arms_of(observation: Observation, planned: Plan) -> Arms:
    """Whom the readings that a plan wants are about."""
    return Arms.of(
        observation.namespace,
        observation.name,
        candidate=planned.status.candidate or "",
        stable=planned.status.stable or "",
    )


def event(deployment: Deployment, notice: Notice, now: datetime) -> dict[str, Any]:
    time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{deployment.name}.{int(now.timestamp() * 1e6):x}",
            "namespace": deployment.namespace,
        },
        "eventTime": time,
        "type": "Warning" if notice.warning else "Normal",
        "reason": notice.reason,
        "note": notice.message[:1024],
        "action": "Reconcile",
        "reportingController": f"{FIELD_MANAGER}.dev/operator",
        "reportingInstance": FIELD_MANAGER,
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": MODEL_DEPLOYMENT,
            "namespace": deployment.namespace,
            "name": deployment.name,
            "uid": deployment.uid,
        },
    }
