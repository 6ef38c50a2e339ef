"""What the registry should say about a deployment's versions, as it follows from the statuses; and whether it does.

The live version carries the champion alias, the one that a rollback would go to the previous alias; tags on each
version say where and when it was live, and why that ended. An alias that the spec follows is what people ask for, so it
is never written: after a rollback it still names the version that was rejected, and nothing goes round in circles.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from modelrollout.api.model import Model
from modelrollout.api.modeldeployment import ModelDeploymentStatus
from modelrollout.api.modelrevision import ModelRevisionStatus, RevisionState
from modelrollout.api.registry import MAX_WRITTEN, WrittenBack, registry_ref
from modelrollout.plan.observation import RevisionView, Writing

TAG_PREFIX = "modelrollout"

_TOLD = (RevisionState.LIVE, RevisionState.SUPERSEDED, RevisionState.ROLLED_BACK, RevisionState.REJECTED)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LONGEST_REASON = 200

AliasPlace = tuple[str, str]
"""Model and alias."""
VersionPlace = tuple[str, str]
"""Model and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Aliases with the version that each should name, and tags with their values. `followed` are hands off."""

    aliases: Mapping[AliasPlace, str] = field(default_factory=dict)
    tags: Mapping[VersionPlace, Mapping[str, str]] = field(default_factory=dict)
    followed: frozenset[AliasPlace] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is still to be told. `stale` are aliases that were put where nobody wants them any more."""

    aliases: Mapping[AliasPlace, str]
    stale: Mapping[AliasPlace, str]
    tags: Mapping[VersionPlace, Mapping[str, str]]

    def __bool__(self) -> bool:
        return bool(self.aliases or self.stale or self.tags)


def wish(
    namespace: str,
    name: str,
    *,
    model: Model | None,
    status: ModelDeploymentStatus,
    revisions: Mapping[str, RevisionView],
    writing: Writing,
) -> Wish:
    """`namespace` and `name` are the ModelDeployment's; `model` is its spec's, None where that cannot be read."""
    ref = registry_ref(model.uri) if model is not None else None
    follows = model is not None and model.follow is not None and ref is not None and ref.alias is not None
    followed = frozenset({(ref.model, ref.alias or "")}) if follows and ref is not None else frozenset()
    champion, previous = _names(model, writing)
    aliases = {}
    for alias, id in ((previous, status.previous), (champion, status.stable)):
        place = registry_place(revisions.get(id)) if id and alias else None
        if place is not None and (place[0], alias) not in followed:
            aliases[place[0], alias] = place[1]
    prefix = ".".join(part for part in (TAG_PREFIX, writing.cluster, namespace, name) if part)
    return Wish(aliases=aliases, tags=dict(_tags(prefix, revisions.values())), followed=followed)


def difference(wanted: Wish, written: WrittenBack | None) -> Difference:
    aliases = {(one.model, one.alias): one.version for one in written.aliases} if written else {}
    tags = {(one.model, one.version): one.digest for one in written.tags} if written else {}
    return Difference(
        aliases={place: version for place, version in wanted.aliases.items() if aliases.get(place) != version},
        stale={
            place: version
            for place, version in aliases.items()
            if place not in wanted.aliases and place not in wanted.followed
        },
        tags={place: said for place, said in wanted.tags.items() if tags.get(place) != digest_of(said)},
    )


def digest_of(tags: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(tags, sort_keys=True).encode()).hexdigest()[:16]


def registry_place(view: RevisionView | None) -> VersionPlace | None:
    """Model and version of a revision in the registry; None where it did not come from one."""
    if view is None or view.spec.model.pin is None or view.spec.registry is None:
        return None
    return view.spec.registry.model, view.spec.model.pin.version


def _names(model: Model | None, writing: Writing) -> tuple[str, str]:
    own = model.aliases if model is not None else None
    champion = own.champion if own is not None and own.champion is not None else writing.champion
    previous = own.previous if own is not None and own.previous is not None else writing.previous
    return champion, previous


def _tags(prefix: str, views: Iterable[RevisionView]) -> Iterator[tuple[VersionPlace, Mapping[str, str]]]:
    """Several revisions may serve the same model version: the one that had a part last speaks for it."""
    by_place: dict[VersionPlace, list[RevisionView]] = {}
    for view in views:
        place = registry_place(view)
        if place is not None and view.status.state in _TOLD:
            by_place.setdefault(place, []).append(view)
    newest = sorted(by_place.items(), key=lambda one: max(map(_last_change, one[1])), reverse=True)
    for place, known in newest[:MAX_WRITTEN]:
        last = max(known, key=lambda view: (view.status.state is RevisionState.LIVE, _last_change(view), view.id))
        periods = sorted({period for view in known for period in _periods(view.status)})
        ended = None if last.status.state is RevisionState.LIVE else _last_change(last)
        yield (
            place,
            {
                f"{prefix}.state": last.status.state.value,
                f"{prefix}.liveAt": _time(last.status.live_at),
                f"{prefix}.endedAt": _time(ended),
                f"{prefix}.reason": (last.status.ended or "")[:_LONGEST_REASON],
                f"{prefix}.periods": " ".join(f"{begun}/{end}" for begun, end in periods),
            },
        )


def _periods(status: ModelRevisionStatus) -> Iterator[tuple[str, str]]:
    """When it was live, from and to; the last one may be open."""
    changes = [*status.history, None]
    for change, after in pairwise(changes):
        if change is not None and change.state is RevisionState.LIVE:
            yield _time(change.at), _time(after.at if after is not None else None)


def _last_change(view: RevisionView) -> datetime:
    return view.status.history[-1].at if view.status.history else _LONG_AGO


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else ""
