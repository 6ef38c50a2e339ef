"""From pydantic's JSON schema to the structural OpenAPI v3 schema that the API server takes.

The API server knows neither references nor `null` types nor the newer spellings of JSON Schema, and has its own idea of
defaults: a default of an object is `{}`, filled from the defaults inside it, so that each is written once.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from modelrollout.api.rules import EXTENSION

Schema = dict[str, Any]

PRESERVE = "x-kubernetes-preserve-unknown-fields"
LIST_TYPE = "x-kubernetes-list-type"
_DROPPED = ("title", "additionalProperties", "const")
_KEY_ORDER = ("description", "type", "format", "enum", "default")


def structural(model: type[BaseModel]) -> Schema:
    """The whole schema of a type, with nothing referred to."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    return _convert(schema, definitions)


def without_defaults(schema: Schema) -> Schema:
    """For status: what the operator left out must read as left out, whatever a later version would default it to."""
    result = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in schema:
        result["properties"] = {name: without_defaults(child) for name, child in schema["properties"].items()}
    if "items" in schema:
        result["items"] = without_defaults(schema["items"])
    return result


def _convert(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """One node and everything below it."""
    node = _resolved(schema, definitions)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in node:
        result["enum"] = [node["const"]]
    if "properties" in node:
        result["properties"] = {name: _convert(child, definitions) for name, child in node["properties"].items()}
    if "items" in node:
        result["items"] = _convert(node["items"], definitions)
        result.setdefault(LIST_TYPE, "atomic")
    extra = node.get("additionalProperties")
    if isinstance(extra, Mapping):
        result["additionalProperties"] = _convert(extra, definitions)
    elif extra is True:
        result[PRESERVE] = True
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in node:
            result |= {limit: node[bound], bound: True}
    if EXTENSION in node:
        result[EXTENSION] = [{key: rule[key] for key in ("rule", "message")} for rule in node[EXTENSION]]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    _set_default(result)
    return {key: result[key] for key in sorted(result, key=_rank)}


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The node with its reference followed and "or null" taken away: absent is how Kubernetes says null."""
    node = dict(schema)
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            target = definitions[node.pop("$ref").removeprefix("#/$defs/")]
        else:
            [target] = [option for option in node.pop("anyOf") if option != {"type": "null"}]
        node = {**target, **node}
    return node


def _set_default(node: Schema) -> None:
    """Keeps a default that says something: no null, no empty list or text, and `{}` for an object with defaults."""
    if "default" not in node:
        return
    if "properties" in node and node["default"] is not None:
        del node["default"]
        if any("default" in child for child in node["properties"].values()):
            node["default"] = {}
    elif node["default"] in (None, [], ""):
        del node["default"]
    else:
        node["default"] = _without_nulls(node["default"])


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [_without_nulls(child) for child in value]
    return value


def _rank(key: str) -> tuple[int, str]:
    """What a reader wants first, then the bounds, then the extensions, then what lies below."""
    if key in _KEY_ORDER:
        return _KEY_ORDER.index(key), key
    if key in ("required", "properties", "items", "additionalProperties"):
        return 12, key
    return (11 if key.startswith("x-") else 10), key
