"""A frozen snapshot of everything that one decision may look at. Nothing is fetched while planning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from modelrollout.api.config import RevisionConfig
from modelrollout.api.gates import TemplateRef
from modelrollout.api.gatetemplate import GateTemplateSpec
from modelrollout.api.model import Pin
from modelrollout.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from modelrollout.api.modelrevision import ModelRevisionSpec, ModelRevisionStatus
from modelrollout.api.registry import WrittenBack
from modelrollout.api.rolloutaction import RolloutActionSpec
from modelrollout.data.compatibility import Finding
from modelrollout.evidence import Evidence, Observed
from modelrollout.evidence.dispersion import Dispersion
from modelrollout.plan.alerts import Firing
from modelrollout.plan.registered import Registered

CHAMPION, PREVIOUS = "champion", "previous"
"""What the aliases are called that the registry is told, where nobody says otherwise."""


class Trouble(StrEnum):
    """What can be wrong with a pod. The first two speak about the model, the others about its surroundings."""

    CRASH_LOOP = "CrashLoop"
    OUT_OF_MEMORY = "OutOfMemory"
    IMAGE_PULL = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    CONFIG = "InvalidPodConfig"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """`restarts` are those of all its containers; `restarted_at` is when the newest of them ended."""

    name: str
    revision: str
    started_at: datetime | None = None
    ready_since: datetime | None = None
    restarts: int = 0
    restarted_at: datetime | None = None
    trouble: Trouble | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """The Deployment of a revision: replicas as asked for, and how many of them are ready."""

    replicas: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """`settings` is the digest that an observer's Service was made with."""

    selector: Mapping[str, str]
    port: int
    settings: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverView:
    """The observer beside the deployment, as far as it is there. `settings`: whether its ConfigMap is."""

    workload: WorkloadView | None = None
    service: ServiceView | None = None
    settings: bool = False

    @property
    def ready(self) -> bool:
        return self.service is not None and self.workload is not None and self.workload.ready > 0

    @property
    def complete(self) -> bool:
        return self.service is not None and self.workload is not None and self.workload.replicas == 1 and self.settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A Service that a route names. `weight` is in whole percent; a mirror's weight is 0."""

    service: str
    port: int
    weight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """The route as it is or as it should be. A parent is its name, namespace and section."""

    backends: tuple[Backend, ...]
    mirror: Backend | None
    parents: tuple[tuple[str, str | None, str | None], ...]
    hostnames: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionView:
    """One revision as it stands. `id` is the short digest, `uid` that of its ModelRevision."""

    id: str
    spec: ModelRevisionSpec
    uid: str = ""
    created_at: datetime | None = None
    status: ModelRevisionStatus = field(default_factory=ModelRevisionStatus)
    workload: WorkloadView | None = None
    service: ServiceView | None = None
    pods: tuple[PodView, ...] = ()

    @property
    def ready(self) -> int:
        return self.workload.ready if self.workload else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapView:
    """A ConfigMap's content; `binary_data` is in base64, as the API server gives it."""

    name: str
    data: Mapping[str, str] = field(default_factory=dict)
    binary_data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the spec refers to, looked up: all that its revision is made of beside the spec itself.

    `sources` are the ConfigMaps that the copies are made from, by the name of the copy; `former` are those of the live
    revision that differ, by their own name, as far as they were looked up for the changelog. `missing` says why a part
    could not be looked up, as a reason and a sentence; the target is then what is there already. `waits`: nothing is
    amiss, the answer is on its way. `registered` is what a registry's URI means; `unheard` says why the registry cannot
    be asked whether that has changed.
    """

    config: RevisionConfig = field(default_factory=RevisionConfig)
    sources: Mapping[str, ConfigMapView] = field(default_factory=dict)
    former: Mapping[str, ConfigMapView] = field(default_factory=dict)
    registered: Registered | None = None
    unheard: tuple[str, str] | None = None
    contract: Mapping[str, Any] | None = None
    reference: Mapping[str, Any] | None = None
    card: Mapping[str, Any] | None = None
    missing: tuple[str, str] | None = None
    waits: bool = False

    @property
    def pin(self) -> Pin | None:
        return self.registered.pin if self.registered else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Under which names the registry is told. An alias without a name is not written."""

    champion: str = CHAMPION
    previous: str = PREVIOUS
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of telling the registry. `failed` is a reason and a sentence, where it could not be told everything."""

    written: WrittenBack
    failed: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    """A RolloutAction. `answered`: its status says what came of it."""

    uid: str
    name: str
    resource_version: str = ""
    created_at: datetime
    spec: RolloutActionSpec
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateEvidence:
    """What is known of the candidate, as far as the counters of `evaluated_at`.

    `policy` is the digest of the gates and error rates that it was gathered under; `templates` are the gate templates
    as they were when it began, `dispersions` what its phi rests on, gate by gate, in a sentence. `spent` is what each
    gate that counts requests has cost users beyond its tolerance. The traffic of the newest reading (requests per
    second of users and of the candidate, pairs of answers, and whether both arms had a part in it) stays with it until
    the next one, so that a plan between two readings decides as the one before it did. It is not written: after a
    restart it is unknown until then.
    """

    revision: str
    policy: str
    evaluated_at: datetime
    gates: Mapping[str, Evidence]
    templates: Mapping[TemplateRef, GateTemplateSpec] = field(default_factory=dict)
    dispersions: Mapping[str, str] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    requests_per_second: float = 0.0
    candidate_per_second: float = 0.0
    rate_known: bool = False
    both_served: bool = False
    pairs_per_second: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What both arms served since the evidence's `evaluated_at` (nothing, where there is no evidence yet).

    `missing` says, gate by gate, why there was nothing to read. `dispersions` come with the first reading of a
    comparison: how much the live version's pods differ from each other, for the gates that count their requests.
    """

    at: datetime
    intervals: Mapping[str, Observed] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    dispersions: Mapping[str, Dispersion] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Prometheus could not be asked."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the candidate's pods have told when they were asked. `unanswered` says why they told nothing so far."""

    revision: str
    findings: tuple[Finding, ...] = ()
    unanswered: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """`target` is the short digest of the spec. `reading` is None where no new answer of Prometheus has come.
    `observer` is None where nothing of it is there; `observer_image` is what it would run.
    `copies` are the immutable copies of ConfigMaps that are there, each with the uids of its owners.

    The gates in `spec` are written out: those that name a template have been filled from `templates`. `unresolved` says
    why one could not be; it is then left out of the spec, and the rollout holds. `firing` are the alerts that fire by
    the newest answer, as far as the policy names them. `metrics` are offline metrics that were read from the registry
    just now, by revision. `told` is what came of telling the registry since the status was written, `writing` under
    which names it is told.
    """

    namespace: str
    name: str
    generation: int
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus
    target: str
    revisions: Mapping[str, RevisionView]
    entry: ServiceView | None = None
    route: RouteView | None = None
    evidence: CandidateEvidence | None = None
    reading: Reading | Unreadable | None = None
    templates: Mapping[TemplateRef, GateTemplateSpec] = field(default_factory=dict)
    unresolved: str | None = None
    created_at: datetime | None = None
    verification: Verification | None = None
    wanted: Wanted = field(default_factory=Wanted)
    copies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    actions: tuple[ActionView, ...] = ()
    observer: ObserverView | None = None
    observer_image: str = ""
    firing: tuple[Firing, ...] = ()
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    told: Told | None = None
    writing: Writing = field(default_factory=Writing)

    @property
    def version(self) -> str:
        """Model version of what the spec asks for, as people call it."""
        view = self.revision(self.target)
        if view is not None:
            return view.spec.model.version
        return self.spec.model.version or (self.wanted.pin.version if self.wanted.pin else "")

    def revision(self, id: str | None) -> RevisionView | None:
        return self.revisions.get(id) if id else None

    @property
    def stable(self) -> RevisionView | None:
        return self.revision(self.status.stable)

    @property
    def candidate(self) -> RevisionView | None:
        return self.revision(self.status.candidate)
