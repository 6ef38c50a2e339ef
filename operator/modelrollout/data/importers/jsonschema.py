"""A JSON Schema of one row: an object whose properties are the fields."""

from collections.abc import Mapping
from typing import Any

from modelrollout.data.importers.result import Draft, Imported, ImportFailed, Side, mapping, number, within

_TYPES = {"boolean": "bool", "integer": "int", "number": "float", "string": "string"}
_SILENT = ("pattern", "minLength", "maxLength", "multipleOf", "not", "if", "oneOf", "allOf")
_MOST_REFERENCES = 20


def contract(document: Mapping[str, Any], side: Side = Side.INPUTS) -> Imported:
    """`side` is what the properties are."""
    row = _resolved(document, document)
    if row.get("type") == "array":
        row = _resolved(mapping(row.get("items"), "items"), document)
    if "properties" not in row:
        raise ImportFailed("it describes no object with properties")
    required = row.get("required") or []
    draft = Draft()
    for name, schema in mapping(row["properties"], "properties").items():
        _property(draft, side, name, mapping(schema, f"properties.{name}"), document, required=name in required)
    return draft.finish()


def _property(
    draft: Draft, side: Side, name: str, schema: Mapping[str, Any], root: Mapping[str, Any], *, required: bool
) -> None:
    schema, nullable = _without_null(_resolved(schema, root), root)
    nullable = nullable or None in (schema.get("enum") or ())
    shape: list[int] = []
    while schema.get("type") == "array":
        fixed = schema.get("minItems") is not None and schema.get("minItems") == schema.get("maxItems")
        shape.append(schema["minItems"] if fixed else -1)
        schema = _resolved(mapping(schema.get("items") or {}, f"items of properties.{name}"), root)
    for part in _SILENT:
        if part in schema:
            draft.leave_out(f"properties.{name}.{part}")
    kind, categories = _type(schema)
    if kind is None:
        draft.leave_out(f"properties.{name}: a contract has no type for {schema.get('type') or 'one without a type'}")
        return
    entry: dict[str, Any] = {"name": name, "type": kind, "required": required, "categories": categories}
    if kind in ("int", "float"):
        entry["range"] = _range(draft, name, schema, whole=kind == "int")
    draft.add(side, {**entry, "nullable": nullable or None, "shape": [-1, *shape] if shape else None})


def _type(schema: Mapping[str, Any]) -> tuple[str | None, list[str] | None]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    values = [one for one in values if one is not None] if isinstance(values, list) else []
    if values:
        return "category", [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
    if schema.get("type") == "string" and schema.get("format") in ("date-time", "date"):
        return "timestamp", None
    return _TYPES.get(str(schema.get("type"))), None


def _range(draft: Draft, name: str, schema: Mapping[str, Any], *, whole: bool) -> dict[str, float] | None:
    low, high = number(schema.get("exclusiveMinimum")), number(schema.get("exclusiveMaximum"))
    if whole:
        low, high = (None if low is None else low + 1), (None if high is None else high - 1)
    elif low is not None or high is not None:
        draft.leave_out(f"properties.{name}: an exclusive bound, which a range includes")
    return within(low=(number(schema.get("minimum")), low), high=(number(schema.get("maximum")), high))


def _without_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The schema of what is not null, and whether null is allowed: three ways to say it."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        others = [kind for kind in kinds if kind != "null"]
        if set(others) == {"integer", "number"}:
            others = ["number"]
        return {**schema, "type": others[0] if len(others) == 1 else None}, "null" in kinds
    options = schema.get("anyOf")
    if isinstance(options, list):
        read = [_resolved(mapping(option, "anyOf"), root) for option in options]
        others_ = [option for option in read if option.get("type") != "null"]
        if len(others_) == 1:
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            return {**rest, **others_[0]}, len(others_) < len(read)
    return schema, schema.get("nullable") is True


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """With references inside the document followed."""
    for _ in range(_MOST_REFERENCES):
        reference = schema.get("$ref")
        if reference is None:
            return schema
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise ImportFailed(f"the reference {reference} leads out of the document; put it in")
        target: Any = root
        for part in reference.removeprefix("#/").split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        schema = {**mapping(target, reference), **{key: value for key, value in schema.items() if key != "$ref"}}
    raise ImportFailed("its references go round in a circle")
