"""What the verbs read of our kinds: no more than they show, and whatever else a newer operator may write passes by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelrollout.api.durations import told

ID_DIGITS = 10
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    true: bool
    reason: str
    message: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A ModelDeployment as its status tells it. `body` is the whole object."""

    namespace: str
    name: str
    created_at: datetime
    stage: str
    stable: str | None
    stable_version: str | None
    candidate: str | None
    candidate_version: str | None
    weight: int
    rejected: str | None
    previous: str | None
    replicas: int
    ready_replicas: int
    conditions: Mapping[str, Condition]
    body: Mapping[str, Any]

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Deployment":
        metadata, status = body["metadata"], body.get("status") or {}
        return cls(
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            created_at=moment(metadata.get("creationTimestamp")) or _LONG_AGO,
            stage=status.get("stage") or "",
            stable=status.get("stable"),
            stable_version=status.get("stableVersion"),
            candidate=status.get("candidate"),
            candidate_version=status.get("candidateVersion"),
            weight=status.get("weight") or 0,
            rejected=status.get("rejected"),
            previous=status.get("previous"),
            replicas=status.get("replicas") or 0,
            ready_replicas=status.get("readyReplicas") or 0,
            conditions={one["type"]: _condition(one) for one in status.get("conditions") or ()},
            body=body,
        )

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.body.get("spec") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        return self.body.get("status") or {}

    @property
    def rolling(self) -> bool:
        """Whether a candidate stands beside the live version."""
        return self.candidate is not None and self.stage not in ("Install", "Rollback")

    @property
    def state(self) -> str:
        """One word for how it is, the most pressing first."""
        if not self.conditions:
            return "Unseen"
        for kind in ("RolledBack", "Paused", "AwaitingReview", "Stalled"):
            if self.is_(kind):
                return kind
        return "Ready" if self.is_("Ready") else "Progressing"

    @property
    def message(self) -> str:
        """What the operator says of it, as `kubectl describe` shows it."""
        return self._ready.message

    @property
    def reason(self) -> str:
        return self._ready.reason

    @property
    def _ready(self) -> Condition:
        unseen = Condition(true=False, reason="Unseen", message="the operator has not looked at it yet", since=None)
        return self.conditions.get("Ready") or unseen

    def is_(self, kind: str) -> bool:
        return kind in self.conditions and self.conditions[kind].true

    def at(self, field: str) -> datetime | None:
        """A time of its status."""
        return moment(self.status.get(field))


def _condition(body: Mapping[str, Any]) -> Condition:
    return Condition(
        true=body.get("status") == "True",
        reason=body.get("reason", ""),
        message=body.get("message", ""),
        since=moment(body.get("lastTransitionTime")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A ModelRevision. `id` is the short digest that names it; `history` has its states with their beginnings.

    `changes` are those since version `since`; `first` tells that no version was live before it.
    """

    id: str
    digest: str
    deployment: str
    version: str
    state: str
    created_at: datetime
    history: tuple[tuple[str, datetime], ...]
    live_at: datetime | None
    live_for: str | None
    ended: str | None
    first: bool
    since: str | None
    changes: tuple[str, ...]
    decisions: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any]

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Revision":
        spec, status = body["spec"], body.get("status") or {}
        changes = status.get("changes")
        return cls(
            id=spec["digest"][:ID_DIGITS],
            digest=spec["digest"],
            deployment=spec["deployment"],
            version=spec["model"].get("version") or "",
            state=status.get("state") or "Pending",
            created_at=moment(body["metadata"].get("creationTimestamp")) or _LONG_AGO,
            history=tuple((one["state"], datetime.fromisoformat(one["at"])) for one in status.get("history") or ()),
            live_at=moment(status.get("liveAt")),
            live_for=status.get("liveFor"),
            ended=status.get("ended"),
            first=changes is not None and not changes.get("since"),
            since=(changes or {}).get("since"),
            changes=tuple((changes or {}).get("entries") or ()),
            decisions=tuple(status.get("decisions") or ()),
            body=body,
        )

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.body["spec"]
        return spec

    @property
    def evidence(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = (self.body.get("status") or {}).get("evidence")
        return found

    def __str__(self) -> str:
        return f"version {self.version} (revision {self.id})"


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, as kubectl tells it; a dash where it is not known."""
    return told(now - since) if since is not None and since > _LONG_AGO else "-"


def stamp(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else "-"
