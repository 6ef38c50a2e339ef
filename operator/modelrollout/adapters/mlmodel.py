"""MLflow's description of a model, the file MLmodel: from its signature to a neutral contract. Pure.

The signature's three parts are JSON in strings inside YAML. What becomes of them is a plain document: `inputs` and
`outputs` with a name, a type and, for tensors, a shape each; `params` with their defaults; and where it came from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from modelrollout.plan.registered import SIGNATURE


class MlmodelError(ValueError):
    """The file cannot be read. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlmodel:
    """What a revision keeps of it."""

    model_id: str | None = None
    contract: Mapping[str, Any] | None = None


def read(text: str) -> Mlmodel:
    """MlmodelError where it is not an MLmodel file, or its signature is none."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MlmodelError(f"MLmodel is no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(found, dict):
        raise MlmodelError("MLmodel is no mapping")
    model_id = found.get("model_id")
    return Mlmodel(model_id=str(model_id) if model_id else None, contract=contract(found.get("signature")))


def contract(signature: object) -> Mapping[str, Any] | None:
    """The neutral document; None where the model has no signature."""
    if signature is None:
        return None
    if not isinstance(signature, Mapping):
        raise MlmodelError("MLmodel: signature is no mapping")
    document: dict[str, Any] = {
        "inputs": [_field(one) for one in _part(signature, "inputs")],
        "outputs": [_field(one) for one in _part(signature, "outputs")],
    }
    params = [_param(one) for one in _part(signature, "params")]
    if params:
        document["params"] = params
    return {**document, "source": SIGNATURE}


def _part(signature: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    part = signature.get(name)
    if part is None:
        return []
    try:
        found = json.loads(part) if isinstance(part, str) else part
    except ValueError as error:
        raise MlmodelError(f"MLmodel: signature.{name} is no JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise MlmodelError(f"MLmodel: signature.{name} is no list of fields")
    return found


def _field(column: Mapping[str, Any]) -> dict[str, Any]:
    """A column, or a tensor. A field of a list without names keeps none."""
    field: dict[str, Any] = {"name": str(column["name"])} if column.get("name") is not None else {}
    tensor = column.get("tensor-spec")
    if isinstance(tensor, Mapping):
        return {**field, "type": str(tensor.get("dtype", "unknown")), "shape": list(tensor.get("shape") or [])}
    field["type"] = _type(column)
    if "required" in column:
        field["required"] = bool(column["required"])
    return field


def _type(column: Mapping[str, Any]) -> str:
    """Nested types in one word: `array<double>`, `map<string>`, `object`."""
    kind = str(column.get("type", "unknown"))
    inner = column.get("items") if kind == "array" else column.get("values") if kind == "map" else None
    return f"{kind}<{_type(inner)}>" if isinstance(inner, Mapping) else kind


def _param(param: Mapping[str, Any]) -> dict[str, Any]:
    found = {"name": str(param.get("name", "")), "type": str(param.get("type", "unknown"))}
    shape = param.get("shape")
    return {**found, **({"shape": list(shape)} if shape else {}), "default": param.get("default")}
