"""The demo's data as a contract and a reference, and rows that drift away from them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from demo.load import HELDOUT, read_rows
from modelrollout.api.contract import Contract
from modelrollout.data.survey import Survey
from tests.e2e.manifests import Manifest

OUTPUT = "predict"
"""What the demo's server calls its answer."""

DRIFT = 0.4
"""By how much of itself every measure has grown in the end, as if another laboratory had another microscope."""


@cache
def _heldout() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(HELDOUT.read_text())
    return found


def contract() -> Manifest:
    """Thirty measures go in, one number comes out; a row of the data is the example."""
    names = _heldout()["features"]
    inputs = [{"name": name, "type": "float", "range": {"min": 0}} for name in names]
    # The server takes all measures in one tensor of this type; an input that nobody sends is no part of it.
    return {
        "inputs": inputs,
        "outputs": [{"name": OUTPUT, "type": "INT64", "shape": [-1, 1]}],
        "example": dict(zip(names, _heldout()["rows"][0], strict=True)),
    }


@cache
def reference() -> str:
    """How the rows that users send are spread, and what was diagnosed about them."""
    survey = Survey(contract=Contract.model_validate(contract()), outputs=(), bins=10)
    for row in _rows():
        survey.add(row)
    made = survey.count(_rows(), dataset="heldout")
    return made.model_dump_json(by_alias=True, exclude_none=True)


def drifting(*, rate: float, over: float, seconds: float) -> tuple[tuple[float, ...], ...]:
    """Rows to be sent in this order at `rate` for `seconds`; they have drifted away after `over` seconds."""
    rows = read_rows()
    factors = (1 + DRIFT * min(1.0, number / (rate * over)) for number in range(round(rate * seconds)))
    return tuple(tuple(value * factor for value in rows[number % len(rows)]) for number, factor in enumerate(factors))


def _rows() -> list[dict[str, object]]:
    found = _heldout()
    return [
        {**dict(zip(found["features"], row, strict=True)), OUTPUT: label}
        for row, label in zip(found["rows"], found["labels"], strict=True)
    ]
