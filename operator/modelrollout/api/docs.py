"""The reference of all fields, from the same schema as the CRDs; `make crds` writes it to docs/reference.md.

One table a kind, one line a field, in the order in which the types declare them. What a rule of more than one field
demands stands under the table of its kind, in the words in which the API server refuses.
"""

from collections.abc import Iterator
from typing import Any

from modelrollout.api.crd import RESOURCES, Resource
from modelrollout.api.group import API_VERSION
from modelrollout.api.rules import EXTENSION
from modelrollout.api.schema import PRESERVE

_BEGINNING = f"""# All fields

Generated from the types by `make crds`; `kubectl explain` says the same. Group and version: `{API_VERSION}`.
Durations are written as `90s`, `10m`, `1h30m`; ratios are fractions of one; `points` are percentage points; weights are
whole percent. **Bold** fields are required where the object that holds them is given.
"""
_LONGEST_DEFAULT = 60


def rendered() -> str:
    return "\n".join([_BEGINNING, *(line for resource in RESOURCES for line in _kind(resource))]).rstrip() + "\n"


def _kind(resource: Resource) -> Iterator[str]:
    schema = resource.schema()
    scope = "" if resource.scope == "Namespaced" else ", of the whole cluster"
    yield f"## {resource.kind}\n"
    yield f"`{resource.plural}`, short `{resource.short}`{scope}. {schema.get('description', '')}\n"
    for part in ("spec", "status"):
        if part in schema["properties"]:
            yield f"### {resource.kind} {part}\n"
            yield "| field | type | default | what it is |"
            yield "|---|---|---|---|"
            yield from _fields(part, schema["properties"][part])
            yield ""
    messages = list(dict.fromkeys(_rules(schema)))
    if messages:
        yield f"### What a {resource.kind} is refused for\n"
        yield from (f"- {_cell(message)}" for message in messages)
        yield ""


def _fields(path: str, schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        shown = f"**`{where}`**" if name in required else f"`{where}`"
        yield f"| {shown} | {_type(field)} | {_default(field)} | {_cell(field.get('description', ''))} |"
        yield from _below(where, field)


def _below(where: str, field: dict[str, Any]) -> Iterator[str]:
    if field.get("type") == "array":
        yield from _below(f"{where}[]", field["items"])
    elif isinstance(field.get("additionalProperties"), dict):
        yield from _below(f"{where}.*", field["additionalProperties"])
    else:
        yield from _fields(where, field)


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return _cell(" \\| ".join(f"`{one}`" for one in field["enum"]), escaped=True)
    match field.get("type"):
        case "array":
            return f"list of {_type(field['items'])}{_bounds(field, 'minItems', 'maxItems')}"
        case "object" if field.get(PRESERVE):
            return "any object"
        case "object" if isinstance(field.get("additionalProperties"), dict):
            return f"map of {_type(field['additionalProperties'])}"
        case "string" if field.get("format") == "date-time":
            return "time"
        case "string":
            return f"string{_bounds(field, 'minLength', 'maxLength')}"
        case "integer" | "number" as number:
            return f"{number}{_bounds(field, 'minimum', 'maximum')}"
        case None:
            return "anything"
        case other:
            return str(other)


def _bounds(field: dict[str, Any], least: str, most: str) -> str:
    low, high = field.get(least), field.get(most)
    if low is None and high is None:
        return ""
    if low is None:
        return f", at most {high}"
    above = "over" if field.get("exclusiveMinimum") else "from"
    return f", {above} {low}" + ("" if high is None else f" to {high}")


def _default(field: dict[str, Any]) -> str:
    if "default" not in field or isinstance(field["default"], dict | list):
        return ""
    text = str(field["default"]).lower() if isinstance(field["default"], bool) else str(field["default"])
    return f"`{text}`" if len(text) <= _LONGEST_DEFAULT else "see the schema"


def _rules(schema: dict[str, Any]) -> Iterator[str]:
    yield from (rule["message"] for rule in schema.get(EXTENSION, ()))
    for child in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(child, dict):
            yield from _rules(child)


def _cell(text: str, *, escaped: bool = False) -> str:
    line = " ".join(text.split())
    return line if escaped else line.replace("|", "\\|")
