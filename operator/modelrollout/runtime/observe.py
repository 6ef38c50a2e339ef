"""Observe: everything that one decision may look at, taken at one moment from the cache, the ledger and the hub.

What is fetched is the past alone: after a restart, the counters at the time that the written evidence includes, and at
the beginning of a comparison, how much the live version's pods differed from each other.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modelrollout.api.gates import TemplateRef
from modelrollout.api.gatetemplate import GateTemplateSpec
from modelrollout.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from modelrollout.api.observer import service_name
from modelrollout.api.revision import child_name, digest, short
from modelrollout.evidence import EvidenceError
from modelrollout.plan.alerts import Firing
from modelrollout.plan.evaluate import awaits_metrics
from modelrollout.plan.gates import policy_digest, restored
from modelrollout.plan.observation import (
    CandidateEvidence,
    Observation,
    ObserverView,
    Reading,
    RevisionView,
    Unreadable,
    Wanted,
)
from modelrollout.plan.templates import Resolved, resolve
from modelrollout.plan.watch import is_watched, watched
from modelrollout.plan.write_back import registry_place
from modelrollout.runtime.cache import Cache, Family
from modelrollout.runtime.history import Histories
from modelrollout.runtime.hub import MetricsHub, Tick
from modelrollout.runtime.kept import Revision
from modelrollout.runtime.ledger import Counters, Entry, Ledger
from modelrollout.runtime.projections import Deployment
from modelrollout.runtime.queue import Key
from modelrollout.runtime.readings import Arms, Look, find, reading, subscription
from modelrollout.runtime.registry_link import RegistryLink
from modelrollout.runtime.verifier import Verifier
from modelrollout.runtime.wanted import Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An observation, and the counters that its reading includes: they become the baseline once it was planned with."""

    observation: Observation
    counters: Counters | None = None


class Observer:
    def __init__(
        self,
        *,
        cache: Cache,
        ledger: Ledger,
        hub: MetricsHub,
        histories: Histories,
        lookup: Lookup,
        verifier: Verifier,
        registry: RegistryLink,
        observer_image: str = "",
    ) -> None:
        self._observer_image = observer_image
        self._cache = cache
        self._verifier = verifier
        self._lookup = lookup
        self._ledger = ledger
        self._hub = hub
        self._histories = histories
        self._registry = registry

    async def observe(self, key: Key, deployment: Deployment, spec: ModelDeploymentSpec) -> Seen:
        family = self._cache.family(key)
        revisions = _revisions(family)
        wanted = await self._lookup.wanted(*key, spec, revisions=revisions.values(), status=deployment.status)
        target = _target(deployment.status, spec, wanted)
        wanted = await self._with_former(key, deployment, wanted, revisions, target=target)
        resolved = self._resolve(key, deployment, spec, revisions.get(target))
        spec = resolved.spec
        read = await self._read(key, deployment, spec, revisions, target=target)
        observation = Observation(
            namespace=deployment.namespace,
            name=deployment.name,
            generation=deployment.generation,
            spec=spec,
            status=deployment.status,
            target=target,
            revisions=revisions,
            entry=family.services.get(deployment.name),
            route=family.routes.get(deployment.name),
            evidence=read.evidence,
            reading=read.reading,
            templates=resolved.templates,
            unresolved=resolved.unresolved,
            created_at=deployment.created_at,
            verification=self._verifier.told(key, deployment.status.candidate),
            wanted=wanted,
            copies=dict(family.copies),
            actions=tuple(family.actions.values()),
            observer=_observer(family, deployment.name),
            observer_image=self._observer_image,
            firing=self._firing(key),
            told=self._registry.write_back.told(key),
            writing=self._registry.write_back.writing,
        )
        return Seen(observation=self._measured(key, observation), counters=read.counters)

    def _measured(self, key: Key, observation: Observation) -> Observation:
        """With the registry's newest metrics, while an evaluation waits for some."""
        if not awaits_metrics(observation):
            self._registry.resolver.measured(key)
            return observation
        arms = {
            view.id: registry_place(view) for view in (observation.candidate, observation.stable) if view is not None
        }
        places = {id: place for id, place in arms.items() if place is not None}
        found, trouble = self._registry.resolver.metrics(key, places.values())
        metrics = {id: found[place] for id, place in places.items() if place in found}
        wanted = replace(observation.wanted, unheard=observation.wanted.unheard or trouble)
        return replace(observation, metrics=metrics, wanted=wanted)

    async def _with_former(
        self, key: Key, deployment: Deployment, wanted: Wanted, revisions: Mapping[str, RevisionView], *, target: str
    ) -> Wanted:
        """With what the changelog of a revision needs that has none yet."""
        live, made = revisions.get(deployment.status.stable or ""), revisions.get(target)
        told = made is not None and made.status.changes is not None
        if live is None or target == live.id or told or not wanted.sources:
            return wanted
        return await self._lookup.former(key[0], wanted, live=live.spec.config)

    def _firing(self, key: Key) -> tuple[Firing, ...]:
        tick = self._hub.latest(key)
        return tick.firing if tick is not None else ()

    def _resolve(
        self, key: Key, deployment: Deployment, spec: ModelDeploymentSpec, view: RevisionView | None
    ) -> Resolved:
        """The spec with its gates written out; a comparison under way keeps the templates that it began with."""
        frozen: Mapping[TemplateRef, GateTemplateSpec] = {}
        if view is not None and deployment.status.candidate == view.id:
            entry = self._ledger.get(key, view.id)
            if entry is not None and entry.evidence is not None:
                frozen = entry.evidence.templates
            else:
                with contextlib.suppress(EvidenceError):  # what cannot be read is told when it is needed
                    written = _written(view)
                    frozen = written.templates if written else {}
        return resolve(spec, frozen=frozen, find=lambda ref: self._cache.templates.find(deployment.namespace, ref))

    async def _read(
        self,
        key: Key,
        deployment: Deployment,
        spec: ModelDeploymentSpec,
        revisions: dict[str, RevisionView],
        *,
        target: str,
    ) -> "_Read":
        status = deployment.status
        candidate, stable = status.candidate, status.stable
        view = revisions.get(candidate) if candidate else None
        if not is_watched(spec, status.stage) or candidate != target or view is None or stable is None:
            return _Read()
        looked_at = watched(spec, status.stage)
        try:
            entry = self._ledger.get(key, view.id) or await self._recover(key, deployment, looked_at, view)
        except EvidenceError as error:
            return _Read(reading=Unreadable(f"the written evidence cannot be read: {error}"))
        except _PastUnknown as error:
            return _Read(evidence=_written(view), reading=Unreadable(str(error)))
        tick = self._hub.latest(key)
        if entry is not None and (tick is None or tick.at <= entry.read_at):
            return _Read(evidence=entry.evidence, reading=_what_it_lacked(entry))
        if tick is None:
            return _Read()
        if tick.unavailable is not None:
            return _Read(evidence=entry.evidence if entry else None, reading=Unreadable(tick.unavailable))
        look = self._look(key, tick, looked_at, Arms.of(*key, candidate=view.id, stable=stable))
        newest, baseline = reading(look, previous=entry.counters if entry else {})
        if entry is None or entry.evidence is None or entry.evidence.policy != policy_digest(spec.rollout):
            newest = replace(newest, dispersions=await self._histories.dispersions(look))
        return _Read(evidence=entry.evidence if entry else None, reading=newest, counters=baseline)

    def _look(self, key: Key, tick: Tick, spec: ModelDeploymentSpec, arms: Arms) -> Look:
        return Look(tick=tick, spec=spec, arms=arms, pods=tuple(self._cache.family(key).pods.values()))

    async def _recover(
        self, key: Key, deployment: Deployment, spec: ModelDeploymentSpec, view: RevisionView
    ) -> Entry | None:
        """The entry that a process before this one had when it last wrote; None where it wrote no evidence yet."""
        evidence = _written(view)
        if evidence is None:
            return None
        arms = Arms.of(*key, candidate=view.id, stable=deployment.status.stable or "")
        past = await self._hub.at(subscription(*key, spec, arms), evidence.evaluated_at)
        if past.unavailable is not None:
            raise _PastUnknown(past.unavailable)
        found = find(self._look(key, past, spec, arms), known={})
        entry = Entry(revision=view.id, read_at=evidence.evaluated_at, counters=found.counters, evidence=evidence)
        self._ledger.put(key, entry)
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    evidence: CandidateEvidence | None = None
    reading: Reading | Unreadable | None = None
    counters: Counters | None = None


class _PastUnknown(Exception):  # noqa: N818
    """Prometheus cannot say what the counters were when the written evidence was taken."""


def _target(status: ModelDeploymentStatus, spec: ModelDeploymentSpec, wanted: Wanted) -> str:
    """Where it cannot be told what the spec asks for, what is under way or there goes on being asked for."""
    if wanted.missing is not None:
        return status.candidate or status.rejected or status.stable or ""
    return short(digest(spec.model, spec.serving, wanted.config, wanted.pin))


def _what_it_lacked(entry: Entry) -> Reading | None:
    """Between two ticks a gate that could not be read is still unread: the plan must not say otherwise meanwhile."""
    return Reading(at=entry.read_at, missing=entry.missing) if entry.missing else None


def _written(view: RevisionView) -> CandidateEvidence | None:
    return restored(view.status.evidence, revision=view.id) if view.status.evidence else None


def _observer(family: Family, deployment: str) -> ObserverView | None:
    name = service_name(deployment)
    view = ObserverView(
        workload=family.workloads.get(name), service=family.services.get(name), settings=name in family.copies
    )
    return view if view.workload is not None or view.service is not None else None


def _revisions(family: Family) -> dict[str, RevisionView]:
    """Revisions by their short digest, each with its Deployment, its Service and its pods."""
    return {revision.id: _revision(family, revision) for revision in family.revisions.values()}


def _revision(family: Family, revision: Revision) -> RevisionView:
    spec, status = revision.read()
    name = child_name(spec.deployment, revision.id)
    return RevisionView(
        id=revision.id,
        spec=spec,
        uid=revision.uid,
        created_at=revision.created_at,
        status=status,
        workload=family.workloads.get(name),
        service=family.services.get(name),
        pods=tuple(pod for pod in family.pods.values() if pod.revision == revision.id),
    )
