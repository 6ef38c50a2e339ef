"""MLflow's description of a model, the file MLmodel: from its signature to a contract of our own form. Pure.

The signature's parts are JSON in strings inside YAML. Columns become plain words (a double is a `float`: how it goes
over the wire is the server's matter), tensors become datatypes with their shape. What our form cannot say is left out:
nested columns, and the params, which are no part of a row.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from modelrollout.api.contract import Contract
from modelrollout.api.sentences import sentence

_COLUMNS = {
    "boolean": "bool",
    "integer": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "string": "string",
    "binary": "BYTES",
    "datetime": "timestamp",
}
_TENSORS = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("str", "object", "bytes"), "BYTES"),
}


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
    """A document of `modelrollout.api.contract`'s form; None where the model has no signature that it could say."""
    if signature is None:
        return None
    if not isinstance(signature, Mapping):
        raise MlmodelError("MLmodel: signature is no mapping")
    inputs, outputs = list(_fields(signature, "inputs")), list(_fields(signature, "outputs"))
    document = {name: found for name, found in (("inputs", inputs), ("outputs", outputs)) if found}
    if not document:
        return None
    try:
        Contract.model_validate(document)
    except ValidationError as error:
        raise MlmodelError(f"MLmodel: the signature is no contract: {sentence(error)}") from error
    return document


def _fields(signature: Mapping[str, Any], part: str) -> Iterator[dict[str, Any]]:
    """One that has no name is called after its part, as model servers do it: `input-0`."""
    for place, column in enumerate(_part(signature, part)):
        name = str(column["name"]) if column.get("name") is not None else f"{part.removesuffix('s')}-{place}"
        field = _tensor(column["tensor-spec"]) if isinstance(column.get("tensor-spec"), Mapping) else _column(column)
        if field is None:
            continue
        optional = {"required": False} if part == "inputs" and column.get("required") is False else {}
        yield {"name": name, **field, **optional}


def _column(column: Mapping[str, Any]) -> dict[str, Any] | None:
    known = _COLUMNS.get(str(column.get("type")))
    return {"type": known} if known else None


def _tensor(tensor: Mapping[str, Any]) -> dict[str, Any] | None:
    known, shape = _TENSORS.get(str(tensor.get("dtype"))), tensor.get("shape")
    if known is None:
        return None
    return {"type": known, **({"shape": list(shape)} if isinstance(shape, list) and shape else {})}


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
