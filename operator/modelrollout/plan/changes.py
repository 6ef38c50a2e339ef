"""The generated changelog: the person's own words, then what differs from the version that was live.

It is made once, when the revision is, and kept: later the other one may be gone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.api.modelrevision import MAX_CHANGES, Changes, ModelRevisionSpec
from modelrollout.plan.observation import ConfigMapView, Observation
from modelrollout.plan.plan import Decision
from modelrollout.plan.snapshot import snapshot_of

Contents = tuple[ConfigMapView, ConfigMapView]
"""A ConfigMap as it was, and as it is."""

_LONGEST = 300
_LONGEST_VALUE = 80


def changes_of(observation: Observation, decision: Decision, id: str) -> Changes | None:
    """For a revision that is rolled out or installed now; None for others."""
    made = snapshot_of(observation, id) if id == decision.candidate else None
    if made is None:
        return None
    wanted = observation.wanted
    return changes(
        made,
        before=observation.stable.spec if observation.stable else None,
        contents={
            view.name: (wanted.former[view.name], view)
            for view in wanted.sources.values()
            if view.name in wanted.former
        },
    )


def changes(
    after: ModelRevisionSpec, *, before: ModelRevisionSpec | None, contents: Mapping[str, Contents] | None = None
) -> Changes:
    """`contents` of ConfigMaps that differ, by name, where both are known."""
    own = _own_words(after)
    if before is None:
        return Changes(entries=tuple(own))
    found = [*own, *(_cut(line) for line in _differences(before, after, contents or {}))]
    if len(found) > MAX_CHANGES:
        found = [*found[: MAX_CHANGES - 1], f"and {len(found) - MAX_CHANGES + 1} more changes"]
    return Changes(since=before.model.version, entries=tuple(found))


def _own_words(spec: ModelRevisionSpec) -> list[str]:
    """What people wrote: in the ModelDeployment first, then in the registry."""
    said = [spec.model.changelog, spec.registry.description if spec.registry else None]
    return list(dict.fromkeys(text for text in said if text))


def _differences(
    before: ModelRevisionSpec, after: ModelRevisionSpec, contents: Mapping[str, Contents]
) -> Iterator[str]:
    yield from _metrics(before, after)
    yield from _paths("model", _model(before), _model(after))
    yield from _configs(before, after, contents)
    yield from _paths("serving", _serving(before), _serving(after))
    yield from _paths("contract", before.contract or {}, after.contract or {})
    if (before.reference or {}) != (after.reference or {}):
        yield "reference: changed"
    yield from _paths("card", before.card or {}, after.card or {})


def _model(spec: ModelRevisionSpec) -> dict[str, Any]:
    return spec.model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"changelog"})


def _serving(spec: ModelRevisionSpec) -> dict[str, Any]:
    return spec.serving.model_dump(mode="json", by_alias=True)


def _metrics(before: ModelRevisionSpec, after: ModelRevisionSpec) -> Iterator[str]:
    """Offline metrics of both versions, as the registry knew them."""
    old, new = (
        {one.name: one.value for one in spec.registry.metrics} if spec.registry else {} for spec in (before, after)
    )
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"metric {name}: {new[name]:.6g}"
        elif name not in new:
            yield f"metric {name}: {old[name]:.6g} → unknown"
        elif old[name] != new[name]:
            yield f"metric {name}: {old[name]:.6g} → {new[name]:.6g}"


def _configs(before: ModelRevisionSpec, after: ModelRevisionSpec, contents: Mapping[str, Contents]) -> Iterator[str]:
    """ConfigMaps key by key where their content is known; Secrets by name, that their content changed."""
    for kind, old, new in (
        ("ConfigMap", {o.name: o.digest for o in before.config.config_maps}, _digests(after)),
        ("Secret", {o.name: o.hash for o in before.config.secrets}, {o.name: o.hash for o in after.config.secrets}),
    ):
        for name in sorted(old.keys() | new.keys()):
            if name not in old:
                yield f"config: {kind} {name} added"
            elif name not in new:
                yield f"config: {kind} {name} removed"
            elif old[name] != new[name] and kind == "ConfigMap" and name in contents:
                yield from _keys(f"config: ConfigMap {name}:", *contents[name])
            elif old[name] != new[name]:
                yield f"config: {kind} {name} changed"


def _keys(where: str, before: ConfigMapView, after: ConfigMapView) -> Iterator[str]:
    """A value that is a word or a line is shown, a file is not."""
    for old, new in ((before.data, after.data), (before.binary_data, after.binary_data)):
        for key in sorted(old.keys() | new.keys()):
            if key not in old:
                yield f"{where} {key} added"
            elif key not in new:
                yield f"{where} {key} removed"
            elif old[key] != new[key]:
                shown = old is before.data and all(_is_short(value) for value in (old[key], new[key]))
                yield f"{where} {key}: {old[key]} → {new[key]}" if shown else f"{where} {key} changed"


def _is_short(value: str) -> bool:
    return 0 < len(value) <= _LONGEST_VALUE and value.isprintable()


def _digests(spec: ModelRevisionSpec) -> dict[str, str]:
    return {one.name: one.digest for one in spec.config.config_maps}


def _paths(path: str, before: Any, after: Any) -> Iterator[str]:
    """Each leaf that differs, as `path: old → new`; list entries with a name are told apart by it."""
    if before == after:
        return
    if isinstance(before, list) and isinstance(after, list):
        before, after = _named(before), _named(after)
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        yield f"{path}: {_value(before)} → {_value(after)}"
        return
    for key in dict.fromkeys((*before, *after)):
        where = f"{path}{key}" if key.startswith("[") else f"{path}.{key}"
        if key not in before:
            yield f"{where}: {_value(after[key])} added"
        elif key not in after:
            yield f"{where}: {_value(before[key])} removed"
        else:
            yield from _paths(where, before[key], after[key])


def _named(items: list[Any]) -> dict[str, Any]:
    keyed = {}
    for place, item in enumerate(items):
        name = item.get("name") if isinstance(item, Mapping) else None
        keyed[f"[{name if name and f'[{name}]' not in keyed else place}]"] = item
    return keyed


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{…}" if value else "{}"
    if isinstance(value, list):
        return "[…]" if value else "[]"
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
