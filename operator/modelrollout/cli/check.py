"""Whether the API server would take an object: the types and rules that its schema is generated from.

The API server looks at the types of the schema first, and makes no number of a text; so that comes first here too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from modelrollout.api.base import ApiObject
from modelrollout.api.crd import RESOURCES
from modelrollout.api.group import API_VERSION, GROUP
from modelrollout.api.rules import check
from modelrollout.api.schema import Schema, structural
from modelrollout.cli.documents import Location

KINDS: Mapping[str, type[ApiObject]] = {resource.kind: resource.type for resource in RESOURCES}
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
    kind = KINDS.get(str(body.get("kind")))
    if kind is None:
        yield Finding(("kind",), f"there is no kind {body.get('kind')}{_near(str(body.get('kind')), list(KINDS))}")
        return
    yield from _metadata(body, kind)
    known = {*_OBJECT, *kind.model_fields}
    for name in body.keys() - known:
        yield Finding((name,), f"there is no such field{_near(str(name), sorted(known))}")
    given = {part: body[part] for part in kind.model_fields if part in body}
    mistyped = list(_mistyped(given, _schema(kind), ()))
    yield from mistyped
    try:
        kind.model_validate(given)
    except ValidationError as error:
        found = [one for one in error.errors() if not _told_already(one, error.errors())]
        seen = {tuple(one.location) for one in mistyped}
        yield from (_finding(one, kind) for one in found if one["loc"] not in seen)


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
