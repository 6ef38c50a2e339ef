"""The closed set of things that a plan may ask for. Each is idempotent: doing it twice is doing it once."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelrollout.plan.observation import RouteView


@dataclass(frozen=True, slots=True)
class ApplyRoute:
    """Weights and mirror, all in one write."""

    route: RouteView


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyEntry:
    """The Service with the ModelDeployment's own name."""

    selector: Mapping[str, str]
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRevision:
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyService:
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyWorkload:
    revision: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWorkload:
    """Deployment and Service of a revision whose traffic ended; the ModelRevision itself stays."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyConfig:
    """The immutable copy of a ConfigMap, by its own name; every revision that reads it is its owner."""

    copy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRevision:
    """The ModelRevision of a version that is long out of use, and with it what it alone owns."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequest:
    """An old RolloutAction that was answered, by its name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyObserver:
    """All objects of the observer: `settings` is its file, `digest` that of all that they are made from.

    It may reach `revisions` (short digests) on `ports`, and nothing else.
    """

    settings: str
    digest: str
    image: str
    revisions: tuple[str, ...]
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RemoveObserver:
    pass


Action = (
    ApplyRoute
    | RemoveRoute
    | ApplyEntry
    | CreateRevision
    | ApplyConfig
    | ApplyService
    | ApplyWorkload
    | RemoveWorkload
    | RemoveRevision
    | RemoveRequest
    | ApplyObserver
    | RemoveObserver
)
