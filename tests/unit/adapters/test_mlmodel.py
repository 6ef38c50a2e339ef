"""From MLflow's signature, as its own package writes it, to a contract."""

import json
from typing import Any

import pytest

from modelrollout.adapters.mlmodel import Mlmodel, MlmodelError, contract, read

DOUBLE = {"type": "double", "name": "amount", "required": True}
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "column": (DOUBLE, {"name": "amount", "type": "float"}),
    "optional": ({**DOUBLE, "required": False}, {"name": "amount", "type": "float", "required": False}),
    "no name": ({"type": "long", "required": True}, {"name": "input-0", "type": "int"}),
    "datetime": ({**DOUBLE, "type": "datetime"}, {"name": "amount", "type": "timestamp"}),
    "binary": ({**DOUBLE, "type": "binary"}, {"name": "amount", "type": "BYTES"}),
    "array": ({"type": "array", "items": {"type": "double"}, "name": "h", "required": True}, None),
    "map": ({"type": "map", "values": {"type": "string"}, "name": "m", "required": True}, None),
    "object": ({"type": "object", "properties": {"a": {"type": "long"}}, "name": "o", "required": True}, None),
    "tensor": (
        {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}},
        {"name": "input-0", "type": "FP64", "shape": [-1, 2]},
    ),
    "named tensor": (
        {"name": "a", "type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}},
        {"name": "a", "type": "BYTES", "shape": [-1]},
    ),
    "small tensor": (
        {"name": "a", "type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 28, 28]}},
        {"name": "a", "type": "UINT8", "shape": [-1, 28, 28]},
    ),
    "complex tensor": ({"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [-1]}}, None),
}


@pytest.mark.parametrize(("written", "ours"), FIELDS.values(), ids=FIELDS.keys())
def test_a_field_of_the_signature(written: dict[str, Any], ours: dict[str, Any] | None) -> None:
    """What the form cannot say is left out, and a contract that would say nothing is none."""
    found = contract({"inputs": json.dumps([written]), "outputs": None, "params": None})

    assert found == ({"inputs": [ours]} if ours else None)


def test_outputs_have_no_use_for_required() -> None:
    found = contract({"outputs": json.dumps([{"type": "double", "required": True}])})

    assert found == {"outputs": [{"name": "output-0", "type": "float"}]}


def test_a_model_without_a_signature_has_no_contract() -> None:
    assert read("mlflow_version: 3.17.2\nmodel_id: m-1\n") == Mlmodel(model_id="m-1", contract=None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{a: [", "MLmodel is no YAML"),
        ("<html>", "MLmodel is no mapping"),
        ("signature: 7", "signature is no mapping"),
        ("signature: {inputs: '[{'}", "signature.inputs is no JSON"),
        ("signature: {outputs: '7'}", "signature.outputs is no list of fields"),
        ("signature: {inputs: '[7]'}", "signature.inputs is no list of fields"),
        (
            'signature: {inputs: \'[{"name": "a", "type": "double"}, {"name": "a", "type": "double"}]\'}',
            "is no contract",
        ),
    ],
)
def test_what_is_no_description_of_a_model_is_said_to_be_none(text: str, says: str) -> None:
    with pytest.raises(MlmodelError, match=says):
        read(text)
