"""The one place where tests make objects of the domain: specs, revisions, pods, evidence, readings, observations.

A test says only what it is about; everything else has a plain default. Deployments are called `payments/fraud`, have
three replicas, a route, and one gate. Version "1" is live where nothing else is said, and "2" is on its way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from modelrollout.api.alerts import AlertPolicy, FiredAlert, SharedAlert
from modelrollout.api.base import ApiType, seconds
from modelrollout.api.contract import Breaking, ContractSource
from modelrollout.api.gates import Gate, Signal
from modelrollout.api.group import API_VERSION, LABEL_NAME, LABEL_REVISION, MODEL_DEPLOYMENT, MODEL_REVISION
from modelrollout.api.model import Model, Pin
from modelrollout.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus, StageName
from modelrollout.api.modelrevision import ModelRevisionSpec, ModelRevisionStatus, RevisionState, StateChange
from modelrollout.api.observe import Observe, SideEffects
from modelrollout.api.revision import child_name, content, digest, short
from modelrollout.api.rollout import (
    CanaryStage,
    Inconclusive,
    OfflineGate,
    Pace,
    ReviewStage,
    Rollout,
    ShadowStage,
    SoakStage,
    Stage,
)
from modelrollout.api.rolloutaction import RolloutActionSpec, Verb
from modelrollout.api.route import ParentRef, Route
from modelrollout.api.serving import Server, Serving
from modelrollout.evidence import Counts, GateEvidence, Interval
from modelrollout.plan.alerts import Firing
from modelrollout.plan.gates import gathered
from modelrollout.plan.observation import (
    ActionView,
    Backend,
    CandidateEvidence,
    Observation,
    PodView,
    Reading,
    RevisionView,
    RouteView,
    ServiceView,
    Trouble,
    Wanted,
    WorkloadView,
)
from modelrollout.plan.plan import Plan
from modelrollout.plan.planner import plan
from modelrollout.plan.registered import Registered
from modelrollout.plan.snapshot import snapshot
from tests.clock import START

NAMESPACE = "payments"
NAME = "fraud"
NOW = START

Arms = tuple[tuple[float, float], tuple[float, float]]
"""(requests, bad) of the candidate, and of the live version."""

NOTHING: Arms = ((0, 0), (0, 0))
FEW: Arms = ((20, 0), (60, 0))
GOOD: Arms = ((4000, 4), (4000, 4))
BAD: Arms = ((400, 80), (400, 0))

ERRORS = Gate(name="errors", signal=Signal.ERRORS)
AGREEMENT = Gate(name="agreement", signal=Signal.AGREEMENT, target=0.98)
LATENCY = Gate(name="latency", signal=Signal.LATENCY, over="500ms")

OBSERVE = Observe(side_effects=SideEffects.NONE)

SHADOW = Stage(shadow=ShadowStage(min_requests=500, hold_for="30s"))
REVIEW = Stage(review=ReviewStage())
CANARY = Stage(canary=CanaryStage(weights=(5, 25, 50), hold_for="60s"))
PACED = Stage(canary=CanaryStage(pace=Pace.EVIDENCE, hold_for="30s", error_budget=30))
SOAK = Stage(soak=SoakStage(hold_for="10m"))
HELD_BACK = Stage(soak=SoakStage(hold_for="10m", holdback=5))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def spec(
    version: str = "2",
    *,
    replicas: int = 3,
    port: int = 8080,
    route: bool = True,
    stages: tuple[Stage, ...] = (SHADOW, CANARY, SOAK),
    gates: tuple[Gate, ...] = (ERRORS,),
    max_duration: str = "2h",
    on_inconclusive: Inconclusive = Inconclusive.PAUSE,
    alerts: tuple[AlertPolicy, ...] = (),
    offline: tuple[OfflineGate, ...] = (),
    template: Mapping[str, Any] | None = None,
    observe: Observe | None = None,
    contract: Mapping[str, Any] | None = None,
    breaking: Breaking = Breaking.REJECT,
) -> ModelDeploymentSpec:
    """Without a route there is nothing to copy requests from and nothing that holds a share of them back: the shadow
    stage is left out, and so is a holdback. A gate that judges answers brings an observer.
    """
    if any(gate.signal is Signal.AGREEMENT for gate in gates):
        observe = observe or OBSERVE
    return ModelDeploymentSpec(
        observe=observe,
        model=Model(name="fraud-classifier", version=version, uri=f"image://fraud/{version}"),
        serving=Serving(
            server=Server.MLSERVER,
            replicas=replicas,
            port=port,
            template=dict(template or {"spec": {"containers": [{"name": "server", "image": f"fraud:{version}"}]}}),
        ),
        route=Route(parent_refs=(ParentRef(name="public", namespace="gateways"),), hostnames=("fraud.example.com",))
        if route
        else None,
        contract=ContractSource(inline=dict(contract), breaking=breaking) if contract is not None else None,
        rollout=Rollout(
            stages=tuple(stage if route else _without_route(stage) for stage in stages if route or not stage.shadow),
            gates=gates,
            max_duration=max_duration,
            on_inconclusive=on_inconclusive,
            offline=offline,
            alerts=alerts,
        ),
    )


def _without_route(stage: Stage) -> Stage:
    return Stage(soak=SoakStage(hold_for=stage.soak.hold_for)) if stage.soak else stage


def pages(
    *,
    name: str = "pages",
    window: str | None = None,
    shared: SharedAlert = SharedAlert.IGNORE,
    match: Mapping[str, str] | None = None,
    match_regex: Mapping[str, str] | None = None,
) -> AlertPolicy:
    """A policy that names alerts with `severity: page`, where nothing else is said."""
    return AlertPolicy(
        name=name,
        match=dict(match if match is not None else {"severity": "page"}),
        match_regex=dict(match_regex or {}),
        window=window,
        shared_with_live=shared,
    )


def firing(
    name: str = "Errors",
    *,
    of: ModelDeploymentSpec | None = None,
    since: float = 5,
    namespace: str | None = NAMESPACE,
    **labels: str,
) -> Firing:
    """An alert that pages, since so many seconds; `of` names a pod of that version in it."""
    told = {"alertname": name, "severity": "page", **labels}
    if namespace is not None:
        told["namespace"] = namespace
    if of is not None:
        told["pod"] = f"{child_name(NAME, id_of(of))}-7d9x-abcde"
    return Firing(told, ago(since))


def revision_spec(of: ModelDeploymentSpec, *, deployment: str = NAME) -> ModelRevisionSpec:
    snapshot = content(of.model, of.serving)
    return ModelRevisionSpec.model_validate(
        {"deployment": deployment, "digest": digest(of.model, of.serving), "contract": _inline(of), **snapshot}
    )


def _inline(of: ModelDeploymentSpec) -> dict[str, Any] | None:
    return of.contract.inline if of.contract is not None else None


def id_of(of: ModelDeploymentSpec) -> str:
    """The short digest, which names the revision."""
    return short(digest(of.model, of.serving))


def pod(trouble: Trouble | None = None, *, of: ModelDeploymentSpec, number: int = 0) -> PodView:
    return PodView(
        name=f"{child_name(NAME, id_of(of))}-{number}",
        revision=id_of(of),
        ready_since=None if trouble else ago(600),
        trouble=trouble,
        message=f"container server: {trouble}" if trouble else "",
    )


def revision(
    of: ModelDeploymentSpec,
    *,
    replicas: int | None = 3,
    ready: int | None = None,
    state: RevisionState = RevisionState.PENDING,
    traffic_ended_at: datetime | None = None,
    pods: Iterable[PodView] = (),
) -> RevisionView:
    """With its Service and its Deployment, all pods ready; `replicas=None` is one whose workload was removed."""
    return RevisionView(
        id=id_of(of),
        spec=revision_spec(of),
        status=ModelRevisionStatus(
            state=state, history=(StateChange(state=state, at=ago(3600)),), traffic_ended_at=traffic_ended_at
        ),
        workload=None
        if replicas is None
        else WorkloadView(replicas=replicas, ready=replicas if ready is None else ready),
        service=None if replicas is None else ServiceView(selector=selector(id_of(of)), port=of.serving.port),
        pods=tuple(pods),
    )


def pinned(
    version: str,
    *,
    model: Model | None = None,
    state: RevisionState = RevisionState.PENDING,
    metrics: Mapping[str, float] | None = None,
) -> RevisionView:
    """A revision of a version of the registry's model `fraud`; `model` is `spec.model` as it was written."""
    of = spec().model_copy(update={"model": model or Model(name="fraud-classifier", uri=f"models:/fraud/{version}")})
    known = Registered(
        model="fraud",
        pin=Pin(version=version, artifact_uri=f"mlflow-artifacts:/1/fraud-{version}", run_id=f"run-{version}"),
        metrics=metrics or {},
        contract={"inputs": [{"name": "amount", "type": "float"}]},
    )
    kept = ModelRevisionSpec.model_validate(snapshot(NAME, of, Wanted(registered=known)))
    return RevisionView(
        id=short(kept.digest),
        spec=kept,
        status=ModelRevisionStatus(state=state, history=(StateChange(state=state, at=ago(3600)),)),
    )


def selector(revision: str | None = None) -> dict[str, str]:
    """Of the Service with the deployment's own name; None spans all revisions."""
    return {LABEL_NAME: NAME, **({LABEL_REVISION: revision} if revision else {})}


def route(
    stable: ModelDeploymentSpec,
    candidate: ModelDeploymentSpec | None = None,
    *,
    weight: int = 0,
    mirror: bool = False,
) -> RouteView:
    """The route as it is when the candidate has this share; it is named as soon as it has a Service."""

    def backend(of: ModelDeploymentSpec, weight: int = 0) -> Backend:
        return Backend(service=child_name(NAME, id_of(of)), port=of.serving.port, weight=weight)

    backends = [backend(stable, 100 - weight)]
    if candidate is not None:
        backends.append(backend(candidate, weight))
    return RouteView(
        backends=tuple(backends),
        mirror=backend(candidate) if candidate is not None and mirror else None,
        parents=(("public", "gateways", None),),
        hostnames=("fraud.example.com",),
    )


def interval(arms: Arms) -> Interval:
    candidate, stable = arms
    return Interval(candidate=Counts(*candidate), stable=Counts(*stable))


def reading(
    arms: Arms = NOTHING,
    *,
    at: datetime = NOW,
    gates: Iterable[Gate] = (ERRORS,),
    missing: Mapping[str, str] | None = None,
) -> Reading:
    """What both arms served since the evidence's last reading: the same for each gate."""
    return Reading(at=at, intervals={gate.name: interval(arms) for gate in gates}, missing=missing or {})


def evidence(arms: Arms, *, of: ModelDeploymentSpec, at: datetime = NOW) -> CandidateEvidence:
    """What is known of the candidate `of` when both arms served this since the first reading."""
    rollout = of.rollout
    at_first = at - timedelta(seconds=seconds(rollout.interval))
    nothing = gathered(
        rollout=rollout, revision=id_of(of), evidence=None, reading=Reading(at=at_first), split_changed_at=None
    )
    return gathered(
        rollout=rollout,
        revision=id_of(of),
        evidence=nothing,
        reading=reading(arms, at=at, gates=rollout.gates),
        split_changed_at=None,
    )


def counted(known: CandidateEvidence | None, gate: str = "errors") -> GateEvidence:
    """The evidence of a gate that counts."""
    assert known is not None
    found = known.gates[gate]
    assert isinstance(found, GateEvidence)
    return found


def observation(
    of: ModelDeploymentSpec,
    *revisions: RevisionView,
    status: ModelDeploymentStatus | None = None,
    entry: ServiceView | None = None,
    route: RouteView | None = None,
) -> Observation:
    """Anything that can be observed; the functions below are the usual cases of it."""
    return Observation(
        namespace=NAMESPACE,
        name=NAME,
        generation=1,
        spec=of,
        status=status or ModelDeploymentStatus(),
        target=id_of(of),
        revisions={view.id: view for view in revisions},
        entry=entry,
        route=route,
        wanted=Wanted(contract=_inline(of)),
    )


def asked(
    verb: Verb,
    *,
    number: int = 1,
    by: str = "alice",
    reason: str = "the numbers look wrong",
    about: ModelDeploymentSpec | None = None,
    back_to: ModelDeploymentSpec | None = None,
    role: str | None = None,
    expires_at: datetime | None = None,
    created_at: datetime = NOW,
    answered: bool = False,
    alert: Firing | None = None,
) -> ActionView:
    """A RolloutAction; `about` is the revision whose digest it names, `back_to` where a rollback should go, and `alert`
    what asks for one.
    """
    if verb is Verb.APPROVE:
        expires_at = expires_at or NOW + timedelta(hours=4)
    return ActionView(
        uid=f"uid-{number}",
        name=f"{NAME}-{verb.lower()}-{number}",
        created_at=created_at,
        answered=answered,
        spec=RolloutActionSpec(
            deployment=NAME,
            action=verb,
            requested_by=by,
            reason=reason,
            candidate_digest=digest(about.model, about.serving) if about else None,
            revision=id_of(back_to) if back_to else None,
            role=role,
            expires_at=expires_at,
            alert=alert
            and FiredAlert(policy="pages", name=alert.name, labels=dict(alert.labels), starts_at=alert.starts_at),
        ),
    )


def bodies(of: Observation, now: datetime = NOW) -> list[dict[str, Any]]:
    """The ModelDeployment and its ModelRevisions, as the API server has them after the plan that is made of it."""
    made = plan(of, now)
    deployment = {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": of.name, "namespace": of.namespace, "generation": 1, **_made(ago(7200))},
        "spec": dumped(of.spec),
        "status": dumped(made.status),
    }
    return [deployment, *(_revision_body(of, view, made) for view in of.revisions.values())]


def _revision_body(of: Observation, view: RevisionView, made: Plan) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_REVISION,
        "metadata": {
            "name": child_name(of.name, view.id),
            "namespace": of.namespace,
            "labels": {LABEL_NAME: of.name, LABEL_REVISION: view.id},
            **_made(view.created_at or ago(3600)),
        },
        "spec": dumped(view.spec),
        "status": dumped(made.revisions.get(view.id, view.status)),
    }


def _made(at: datetime) -> dict[str, str]:
    return {"creationTimestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}"}


def dumped(part: ApiType) -> dict[str, Any]:
    """As it is on the wire."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)


def superseded(of: ModelDeploymentSpec, *, live_at: datetime, replicas: int | None = None) -> RevisionView:
    """A revision that was live before the present one."""
    view = revision(of, replicas=replicas, state=RevisionState.SUPERSEDED, traffic_ended_at=ago(3600))
    return replace(view, status=view.status.model_copy(update={"live_at": live_at, "live_for": "1h"}))


def installing(of: ModelDeploymentSpec, *, ready: int, pods: Iterable[PodView] = ()) -> Observation:
    """The first version, whose pods are asked for and start."""
    status = ModelDeploymentStatus(stage=StageName.INSTALL, candidate=id_of(of))
    return observation(of, revision(of, replicas=of.serving.replicas, ready=ready, pods=pods), status=status)


def live(of: ModelDeploymentSpec, *, live: ModelDeploymentSpec | None = None) -> Observation:
    """Version `live` (or that of the spec) serves all users, and no rollout is under way."""
    stable = live or of
    status = ModelDeploymentStatus(
        stage=StageName.LIVE, stable=id_of(stable), stable_version=stable.model.version, replicas=3, ready_replicas=3
    )
    return observation(
        of,
        revision(stable, replicas=of.serving.replicas, state=RevisionState.LIVE),
        status=status,
        entry=ServiceView(selector=selector(id_of(stable)), port=stable.serving.port),
        route=route(stable) if of.route else None,
    )


def rolling(
    of: ModelDeploymentSpec,
    stage: StageName,
    *,
    live: ModelDeploymentSpec | None = None,
    weight: int = 0,
    replicas: int | None = None,
    ready: int | None = None,
    pods: Iterable[PodView] = (),
    live_pods: Iterable[PodView] = (),
    seen: Arms | CandidateEvidence | None = None,
    since: float = 600,
    weight_since: float | None = None,
    started: float | None = None,
    both_served: bool = False,
) -> Observation:
    """`of` is the candidate, in `stage` since so many seconds; traffic is as the stage and the weight ask for.

    Its pods are those that the stage needs, all of them ready. `seen` is the evidence as of now, `started` the age of
    the whole rollout and `weight_since` that of the weight; both are that of the stage where nothing is said.
    `both_served`: the newest reading, already taken up, had requests of both arms under this weight.
    """
    stable = live or spec("1", replicas=of.serving.replicas, port=of.serving.port)
    wanted = of.serving.replicas if replicas is None else replicas
    candidate = revision(of, replicas=wanted, ready=ready, state=RevisionState(_STATE[stage]), pods=pods)
    status = ModelDeploymentStatus(
        observed_generation=1,
        stage=stage,
        stable=id_of(stable),
        stable_version=stable.model.version,
        candidate=id_of(of),
        candidate_version=of.model.version,
        weight=weight,
        rollout_started_at=ago(since if started is None else started),
        stage_started_at=ago(since),
        weight_changed_at=ago(since if weight_since is None else weight_since),
        replicas=of.serving.replicas,
        ready_replicas=of.serving.replicas,
    )
    mirrored = stage is StageName.SHADOW and candidate.ready >= of.serving.replicas
    spans = of.route is None and weight > 0
    known = evidence(seen, of=of) if isinstance(seen, tuple) else seen
    if known is not None and both_served:
        known = replace(known, both_served=True)
    return replace(
        observation(
            of,
            revision(stable, replicas=of.serving.replicas, state=RevisionState.LIVE, pods=live_pods),
            candidate,
            status=status,
            entry=ServiceView(selector=selector(None if spans else id_of(stable)), port=stable.serving.port),
            route=route(stable, of, weight=weight, mirror=mirrored) if of.route else None,
        ),
        evidence=known,
    )


_STATE = {
    StageName.EVALUATE: "Evaluating",
    StageName.SHADOW: "Shadow",
    StageName.REVIEW: "Evaluating",
    StageName.CANARY: "Canary",
    StageName.SOAK: "Soaking",
    StageName.ROLLBACK: "Pending",
}
