"""A frozen snapshot of everything that one decision may look at. Nothing is fetched while planning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelrollout.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from modelrollout.api.modelrevision import ModelRevisionSpec, ModelRevisionStatus
from modelrollout.evidence import GateEvidence, Interval


class Trouble(StrEnum):
    """What can be wrong with a pod. The first two speak about the model, the others about its surroundings."""

    CRASH_LOOP = "CrashLoop"
    OUT_OF_MEMORY = "OutOfMemory"
    IMAGE_PULL = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    CONFIG = "InvalidPodConfig"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    name: str
    revision: str
    ready_since: datetime | None = None
    trouble: Trouble | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """The Deployment of a revision: replicas as asked for, and how many of them are ready."""

    replicas: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    selector: Mapping[str, str]
    port: int


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
    """One revision as it stands. `id` is the short digest."""

    id: str
    spec: ModelRevisionSpec
    status: ModelRevisionStatus = field(default_factory=ModelRevisionStatus)
    workload: WorkloadView | None = None
    service: ServiceView | None = None
    pods: tuple[PodView, ...] = ()

    @property
    def ready(self) -> int:
        return self.workload.ready if self.workload else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateEvidence:
    """What is known of the candidate, as far as the counters of `evaluated_at`.

    `policy` is the digest of the gates and error rates that it was gathered under. The traffic of the newest reading
    (users' requests per second, and whether both arms had a part in it) stays with it until the next one, so that a
    plan between two readings decides as the one before it did. It is not written: after a restart it is 0 until then.
    """

    revision: str
    policy: str
    evaluated_at: datetime
    gates: Mapping[str, GateEvidence]
    requests_per_second: float = 0.0
    both_served: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What both arms served since the evidence's `evaluated_at` (nothing, where there is no evidence yet).

    `missing` says, gate by gate, why there was nothing to read.
    """

    at: datetime
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Prometheus could not be asked."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """`target` is the short digest of the spec. `reading` is None where no new answer of Prometheus has come."""

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

    def revision(self, id: str | None) -> RevisionView | None:
        return self.revisions.get(id) if id else None

    @property
    def stable(self) -> RevisionView | None:
        return self.revision(self.status.stable)

    @property
    def candidate(self) -> RevisionView | None:
        return self.revision(self.status.candidate)
