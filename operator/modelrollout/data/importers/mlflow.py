"""The signature in an `MLmodel` file: JSON inside YAML, one column or tensor after the other."""

import json
from collections.abc import Mapping
from typing import Any

from modelrollout.data.importers.result import Draft, Imported, ImportFailed, Side, items, mapping

_COLUMNS = {
    "boolean": "bool",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "string",
    "binary": "BYTES",
    "datetime": "timestamp",
}
_TENSORS = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "str": "BYTES",
    "object": "BYTES",
    "bytes": "BYTES",
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}
_NAMELESS = {Side.INPUTS: "input", Side.OUTPUTS: "output"}


def contract(document: Mapping[str, Any], side: Side = Side.INPUTS) -> Imported:
    """Both sides are in it; `side` says nothing here."""
    if not document.get("signature"):
        raise ImportFailed("the model has no signature; log it with one")
    signature = mapping(document["signature"], "signature")
    draft = Draft()
    for here in Side:
        for place, spec in enumerate(items(_parsed(signature.get(here.value), here), f"signature.{here}")):
            _add(draft, here, spec, name=str(spec.get("name") or _nameless(here, place)))
    if signature.get("params"):
        draft.leave_out("signature.params: parameters of a request are no inputs")
    return draft.finish()


def _parsed(text: object, side: Side) -> object:
    if not isinstance(text, str):
        return text or []
    try:
        return json.loads(text)
    except ValueError as error:
        raise ImportFailed(f"signature.{side} is no JSON: {error}") from error


def _nameless(side: Side, place: int) -> str:
    """MLflow lets the only column or tensor have no name."""
    return _NAMELESS[side] if place == 0 else f"{_NAMELESS[side]}_{place}"


def _add(draft: Draft, side: Side, spec: Mapping[str, Any], *, name: str) -> None:
    required = spec.get("required", not spec.get("optional", False))
    kind = spec.get("type")
    if kind == "tensor":
        tensor = mapping(spec.get("tensor-spec"), f"the tensor-spec of {name}")
        dtype = str(tensor.get("dtype", "")).lstrip("<>|=")
        entry = {"type": _TENSORS.get("str" if dtype.startswith("U") else dtype), "shape": tensor.get("shape") or None}
    elif kind == "array" and mapping(spec.get("items"), f"items of {name}").get("type") in _COLUMNS:
        entry = {"type": _COLUMNS[spec["items"]["type"]], "shape": [-1, -1]}
    else:
        entry = {"type": _COLUMNS.get(str(kind))}
    if entry["type"] is None:
        draft.leave_out(f"{side}[{name}]: a contract has no type for {kind}")
        return
    draft.add(side, {"name": name, **entry, "required": bool(required)})
