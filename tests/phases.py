"""A ModelDeployment in every phase, as the planner leaves it: what tools that only read conditions must understand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from modelrollout.api.group import API_VERSION, MODEL_DEPLOYMENT
from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentStatus, StageName
from modelrollout.api.modelrevision import RevisionState
from modelrollout.api.registry import WrittenBack, WrittenTags
from modelrollout.api.rolloutaction import Verb
from modelrollout.plan import plan
from modelrollout.plan.conditions import broken
from modelrollout.plan.observation import Observation, RevisionView, ServiceView, Told, Trouble, WorkloadView, Writing
from modelrollout.plan.write_back import digest_of, wish
from tests.builders import (
    BAD,
    CANARY,
    FEW,
    NAME,
    NAMESPACE,
    NOW,
    REVIEW,
    SHADOW,
    SOAK,
    ago,
    asked,
    evidence,
    id_of,
    installing,
    live,
    observation,
    pinned,
    pod,
    reading,
    revision,
    rolling,
    selector,
    spec,
    superseded,
)

V1, V2 = spec("1"), spec("2")
REVIEWED = spec("2", stages=(SHADOW, REVIEW, CANARY, SOAK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """`kstatus` and `argocd` are what Flux and Argo CD must say of it."""

    body: Mapping[str, Any]
    kstatus: str
    argocd: str


def body(status: ModelDeploymentStatus | None, *, generation: int = 1) -> dict[str, Any]:
    """The object as the API server gives it: what is null is not there."""
    made: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": NAME, "namespace": NAMESPACE, "generation": generation},
    }
    if status is not None:
        made["status"] = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return made


def _planned(given: Observation) -> ModelDeploymentStatus:
    return plan(given, NOW).status


def _harmed() -> Observation:
    begun = rolling(V2, StageName.CANARY, weight=25, seen=FEW)
    return replace(begun, reading=reading(BAD), evidence=evidence(FEW, of=V2, at=NOW - timedelta(seconds=5)))


def _still_named() -> Observation:
    """A later look at what was rolled back: Git names it still."""
    return replace(live(V2, live=V1), status=_planned(_harmed()))


def _asked_back() -> Observation:
    """Version 2 is live and its old pods are gone, when a person wants version 1 back."""
    given = live(V2)
    former = superseded(V1, live_at=ago(9000))
    return replace(given, revisions={**given.revisions, former.id: former}, actions=(asked(Verb.ROLLBACK),))


def _going_back() -> Observation:
    begun = _asked_back()
    planned = plan(begun, NOW)
    former = begun.revisions[id_of(V1)]
    pods = replace(
        former,
        status=planned.revisions[former.id],
        workload=WorkloadView(replicas=3, ready=1),
        service=ServiceView(selector=selector(former.id), port=8080),
    )
    views: dict[str, RevisionView] = {**begun.revisions, former.id: pods}
    return replace(begun, status=planned.status, revisions=views)


def _unschedulable() -> Observation:
    pods = (pod(Trouble.UNSCHEDULABLE, of=V2),)
    return rolling(V2, StageName.SHADOW, ready=2, pods=pods, seen=FEW)


def _registered(failed: tuple[str, str] | None = None) -> Observation:
    """A live version of the registry, which was told of it, unless that failed."""
    view = replace(
        pinned("1", state=RevisionState.LIVE),
        workload=WorkloadView(replicas=3, ready=3),
        service=ServiceView(selector=selector(None), port=8080),
    )
    model = Model(name="fraud-classifier", uri="models:/fraud/1")
    status = ModelDeploymentStatus(stage=StageName.LIVE, stable=view.id, stable_version="1")
    wanted = wish(NAMESPACE, NAME, model=model, status=status, revisions={view.id: view}, writing=Writing(champion=""))
    tags = [
        WrittenTags(model=name, version=version, digest=digest_of(said))
        for (name, version), said in wanted.tags.items()
    ]
    return replace(
        observation(V1.model_copy(update={"model": model}), view, status=status),
        target=view.id,
        told=Told(written=WrittenBack(tags=tuple(tags)), failed=failed),
        writing=Writing(champion=""),
    )


def _invalid() -> ModelDeploymentStatus:
    before = _planned(live(V1))
    told = broken(previous=before.conditions, generation=2, now=NOW, reason="InvalidSpec", message="spec.model: …")
    return before.model_copy(update={"observed_generation": 2, "conditions": told})


_IN_PROGRESS = {"kstatus": "InProgress", "argocd": "Progressing"}
_FAILED = {"kstatus": "Failed", "argocd": "Degraded"}
_paused = replace(rolling(V2, StageName.CANARY, weight=25, seen=FEW), actions=(asked(Verb.PAUSE),))
_undecided = rolling(V2, StageName.CANARY, weight=25, seen=FEW, started=7200)

PHASES: Mapping[str, Phase] = {
    "just made": Phase(body=body(ModelDeploymentStatus()), **_IN_PROGRESS),
    "first plan": Phase(body=body(_planned(observation(V1))), **_IN_PROGRESS),
    "install": Phase(body=body(_planned(installing(V1, ready=1))), **_IN_PROGRESS),
    "installed": Phase(body=body(_planned(installing(V1, ready=3))), kstatus="Current", argocd="Healthy"),
    "install stalled": Phase(
        body=body(_planned(installing(V1, ready=0, pods=(pod(Trouble.IMAGE_PULL, of=V1),)))), **_FAILED
    ),
    "live": Phase(body=body(_planned(live(V1))), kstatus="Current", argocd="Healthy"),
    "live, and the registry knows": Phase(body=body(_planned(_registered())), kstatus="Current", argocd="Healthy"),
    "live, and the registry is away": Phase(
        body=body(_planned(_registered(("RegistryUnavailable", "no answer")))), kstatus="Current", argocd="Healthy"
    ),
    "live with too few pods": Phase(
        body=body(_planned(replace(live(V1), revisions={id_of(V1): revision(V1, ready=1)}))), **_IN_PROGRESS
    ),
    "rollout starts": Phase(body=body(_planned(live(V2, live=V1))), **_IN_PROGRESS),
    "shadow": Phase(body=body(_planned(rolling(V2, StageName.SHADOW, seen=FEW))), **_IN_PROGRESS),
    "review waiting": Phase(
        body=body(_planned(rolling(REVIEWED, StageName.REVIEW, seen=FEW))), kstatus="InProgress", argocd="Suspended"
    ),
    "canary": Phase(body=body(_planned(rolling(V2, StageName.CANARY, weight=25, seen=FEW))), **_IN_PROGRESS),
    "canary stalled": Phase(body=body(_planned(_unschedulable())), **_FAILED),
    "soak": Phase(body=body(_planned(rolling(V2, StageName.SOAK, weight=100, since=60))), **_IN_PROGRESS),
    "promoted": Phase(
        body=body(_planned(rolling(V2, StageName.SOAK, weight=100, since=601))), kstatus="Current", argocd="Healthy"
    ),
    "paused by a person": Phase(body=body(_planned(_paused)), kstatus="Failed", argocd="Suspended"),
    "paused undecided": Phase(body=body(_planned(_undecided)), kstatus="Failed", argocd="Suspended"),
    "rolled back": Phase(body=body(_planned(_harmed())), **_FAILED),
    "rolled back, Git names it still": Phase(body=body(_planned(_still_named())), **_FAILED),
    "way back asked for": Phase(body=body(_planned(_asked_back())), **_FAILED),
    "way back under way": Phase(body=body(_planned(_going_back())), **_FAILED),
    "invalid spec": Phase(body=body(_invalid(), generation=2), **_FAILED),
    "invalid spec that was mended": Phase(body=body(_invalid(), generation=3), **_IN_PROGRESS),
    "edited since": Phase(body=body(_planned(live(V1)), generation=2), **_IN_PROGRESS),
    "rolled back, edited since": Phase(body=body(_planned(_harmed()), generation=2), **_IN_PROGRESS),
}
