"""Metadata of the Open Inference Protocol, as `GET v2/models/MODEL` answers: datatypes and shapes, and no more."""

from collections.abc import Mapping
from typing import Any

from modelrollout.data.importers.result import Draft, Imported, ImportFailed, Side, items


def contract(document: Mapping[str, Any], side: Side = Side.INPUTS) -> Imported:
    """Both sides are in it; `side` says nothing here."""
    draft = Draft()
    for here in Side:
        for tensor in items(document.get(here.value) or [], here.value):
            name, shape = tensor.get("name"), tensor.get("shape")
            if not isinstance(name, str):
                raise ImportFailed(f"a tensor of its {here} has no name")
            draft.add(here, {"name": name, "type": tensor.get("datatype"), "shape": shape or None})
    return draft.finish()
