"""Whether the API server would take an object: the types and rules that its schema is generated from.

The API server looks at the types of the schema first, and makes no number of a text; so that comes first here too. Who
lints is usually right, and waits: a kind's types are imported when there is one of it, and its schema is generated only
to tell what is wrong.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from modelrollout.api.base import ApiObject
from modelrollout.api.group import (
    API_VERSION,
    CLUSTER_GATE_TEMPLATE,
    GATE_TEMPLATE,
    GROUP,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    ROLLOUT_ACTION,
)
from modelrollout.api.rules import check
from modelrollout.api.schema import Schema, structural
from modelrollout.cli.documents import Location

KINDS: Mapping[str, str] = {
    MODEL_DEPLOYMENT: "modeldeployment",
    MODEL_REVISION: "modelrevision",
    ROLLOUT_ACTION: "rolloutaction",
    GATE_TEMPLATE: "gatetemplate",
    CLUSTER_GATE_TEMPLATE: "gatetemplate",
}
"""The module of `modelrollout.api` that has the type of each kind, which is called as the kind is."""

_OBJECT = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong or could be better, and where."""

    location: Location
    message: str
    advice: str | None = None
    """The name of an advice; None for an error."""


def ours(body: Any) -> bool:
    """Whether it is an object of our group, whatever its version."""
    return isinstance(body, Mapping) and str(body.get("apiVersion", "")).partition("/")[0] == GROUP


def errors(body: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that the API server would refuse it for, as far as it can be known without it."""
    if body["apiVersion"] != API_VERSION:
        yield Finding(("apiVersion",), f"there is no version {body['apiVersion']}; write {API_VERSION}")
        return
    name = str(body.get("kind"))
    if name not in KINDS:
        yield Finding(("kind",), f"there is no kind {name}{_near(name, list(KINDS))}")
        return
    kind = type_of(name)
    yield from _metadata(body, kind)
    known = {*_OBJECT, *kind.model_fields}
    for field in body.keys() - known:
        yield Finding((field,), f"there is no such field{_near(str(field), sorted(known))}")
    given = {part: body[part] for part in kind.model_fields if part in body}
    if _is_right(given, kind):
        return
    mistyped = list(_mistyped(given, _schema(kind), ()))
    yield from mistyped
    try:
        kind.model_validate(given)
    except ValidationError as error:
        found = [one for one in error.errors() if not _told_already(one, error.errors())]
        seen = {tuple(one.location) for one in mistyped}
        yield from (_finding(one, kind) for one in found if one["loc"] not in seen)


def type_of(name: str) -> type[ApiObject]:
    found: type[ApiObject] = getattr(importlib.import_module(f"modelrollout.api.{KINDS[name]}"), name)
    return found


def _is_right(given: Mapping[str, Any], kind: type[ApiObject]) -> bool:
    """Types and all. JSON that is read strictly makes no number of a text either, and needs no schema for it."""
    try:
        kind.model_validate_json(json.dumps(given), strict=True)
    except (ValueError, TypeError):
        return False
    return True


def _mistyped(value: Any, schema: Schema, location: tuple[str | int, ...]) -> Iterator[Finding]:
    """What has another type than the schema says. Beyond the schema there is nothing to be wrong."""
    wanted = schema.get("type")
    if value is None or wanted is None:
        return
    if not _is_a(value, wanted):
        yield Finding(location, f"must be {_TYPES[wanted]}, and is {_type_of(value)}")
        return
    match value:
        case Mapping():
            for key, child in value.items():
                below = schema.get("properties", {}).get(key) or schema.get("additionalProperties") or {}
                yield from _mistyped(child, below, (*location, key))
        case list():
            for place, child in enumerate(value):
                yield from _mistyped(child, schema.get("items") or {}, (*location, place))


_TYPES = {
    "string": "text, in quotes where it looks like something else",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object with fields",
}


def _is_a(value: Any, wanted: str) -> bool:
    match wanted:
        case "string":
            return isinstance(value, str)
        case "integer":
            return not isinstance(value, bool) and (
                isinstance(value, int) or (isinstance(value, float) and value % 1 == 0)
            )
        case "number":
            return not isinstance(value, bool) and isinstance(value, int | float)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, Mapping)


def _type_of(value: Any) -> str:
    return next(told for wanted, told in _TOLD if _is_a(value, wanted))


_TOLD = (
    ("string", "text"),
    ("boolean", "true or false"),
    ("integer", "a whole number"),
    ("number", "a number"),
    ("array", "a list"),
    ("object", "an object"),
)


def _told_already(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """A list whose entries are all wrong is not too short as well."""
    place = error["loc"]
    return error["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in errors
    )


def _metadata(body: Mapping[str, Any], kind: type[ApiObject]) -> Iterator[Finding]:
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping) or not (metadata.get("name") or metadata.get("generateName")):
        yield Finding(("metadata",), "metadata.name is needed; give it a name")
        return
    name = metadata.get("name")
    if name is None:
        return
    if not isinstance(name, str):
        yield Finding(("metadata", "name"), "must be text; put it in quotes")
        return
    try:
        check(name, kind.name_rules)
    except ValueError as error:
        yield Finding(("metadata", "name"), str(error))


def _finding(error: ErrorDetails, kind: type[ApiObject]) -> Finding:
    location = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            fields = list(_schema_at(_schema(kind), location[:-1]).get("properties", {}))
            message = f"there is no such field{_near(str(location[-1]), fields)}"
        case "missing":
            message = "is needed and not there"
        case "too_short" | "too_long":
            least, most = error["ctx"].get("min_length"), error["ctx"].get("max_length")
            message = f"must have at least {least} entries" if least else f"must have at most {most} entries"
        case _:
            message = error["msg"].removeprefix("Value error, ")
            message = message.replace("Input should", "must").replace("String should", "must")
    return Finding(location, message)


@cache
def _schema(kind: type[ApiObject]) -> Schema:
    return structural(kind)


def _schema_at(schema: Schema, location: Location) -> Schema:
    for part in location:
        below = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if not below:
            return {}
        schema = below
    return schema


def _near(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}" if known else ""
