"""From MLflow's signature, as its own package writes it, to a neutral contract."""

import json
from typing import Any

import pytest

from modelrollout.adapters.mlmodel import Mlmodel, MlmodelError, contract, read

DOUBLE = {"type": "double", "name": "amount", "required": True}
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "column": (DOUBLE, {"name": "amount", "type": "double", "required": True}),
    "optional": ({**DOUBLE, "required": False}, {"name": "amount", "type": "double", "required": False}),
    "no name": ({"type": "double", "required": True}, {"type": "double", "required": True}),
    "array": (
        {"type": "array", "items": {"type": "array", "items": {"type": "double"}}, "name": "h", "required": True},
        {"name": "h", "type": "array<array<double>>", "required": True},
    ),
    "map": (
        {"type": "map", "values": {"type": "string"}, "name": "m", "required": True},
        {"name": "m", "type": "map<string>", "required": True},
    ),
    "object": (
        {"type": "object", "properties": {"a": {"type": "long", "required": True}}, "name": "o", "required": True},
        {"name": "o", "type": "object", "required": True},
    ),
    "tensor": (
        {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}},
        {"type": "float64", "shape": [-1, 2]},
    ),
    "named tensor": (
        {"name": "a", "type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}},
        {"name": "a", "type": "str", "shape": [-1]},
    ),
}


@pytest.mark.parametrize(("written", "neutral"), FIELDS.values(), ids=FIELDS.keys())
def test_a_field_of_the_signature(written: dict[str, Any], neutral: dict[str, Any]) -> None:
    found = contract({"inputs": json.dumps([written]), "outputs": None, "params": None})

    assert found == {"inputs": [neutral], "outputs": [], "source": "mlflow signature"}


def test_params_come_with_their_defaults() -> None:
    params = [
        {"name": "t", "default": 0.5, "shape": None, "type": "double"},
        {"name": "k", "default": ["a"], "shape": [-1], "type": "string"},
    ]

    found = contract({"params": json.dumps(params)})

    assert found is not None
    assert found["params"] == [
        {"name": "t", "type": "double", "default": 0.5},
        {"name": "k", "type": "string", "shape": [-1], "default": ["a"]},
    ]


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
        ("signature: {params: '[7]'}", "signature.params is no list of fields"),
    ],
)
def test_what_is_no_description_of_a_model_is_said_to_be_none(text: str, says: str) -> None:
    with pytest.raises(MlmodelError, match=says):
        read(text)
