"""What a server declares and answers, against the contract."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelrollout.api.contract import Contract
from modelrollout.data.compatibility import breaking
from modelrollout.data.served import answered, compare, request

CONTRACT = Contract.model_validate(
    {
        "inputs": [
            {"name": "amount", "type": "float"},
            {"name": "age", "type": "INT32"},
            {"name": "country", "type": "category", "categories": ["DE", "FR"]},
            {"name": "note", "type": "string", "required": False},
        ],
        "outputs": [{"name": "score", "type": "float", "range": {"min": 0, "max": 1}}],
        "example": {"amount": 3.5, "age": 40, "country": "DE"},
    }
)


def tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


INPUTS = [
    tensor("amount", "FP32", [-1]),
    tensor("age", "INT32", [-1, 1]),
    tensor("country", "BYTES", [-1]),
    tensor("note", "BYTES", [-1]),
]
OUTPUTS = [tensor("score", "FP64", [-1])]


def differences(inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> list[str]:
    return [str(one) for one in breaking(compare(CONTRACT, {"inputs": inputs, "outputs": outputs}))]


def test_a_server_that_declares_what_the_contract_says_keeps_it() -> None:
    assert compare(CONTRACT, {"inputs": INPUTS, "outputs": OUTPUTS}) == ()


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        (INPUTS[1:], OUTPUTS, "inputs[amount]: the server takes no such input; it takes age, country, note;"),
        (
            [*INPUTS, tensor("x", "FP32", [-1])],
            OUTPUTS,
            "inputs[x]: the server takes it and the contract does not",
        ),
        ([tensor("amount", "BYTES", [-1]), *INPUTS[1:]], OUTPUTS, "inputs[amount].type: the contract says float and"),
        ([INPUTS[0], tensor("age", "INT64", [-1]), *INPUTS[2:]], OUTPUTS, "inputs[age].type: the contract says INT32"),
        (
            [tensor("amount", "FP32", [-1, 3]), *INPUTS[1:]],
            OUTPUTS,
            "inputs[amount].shape: the contract says one",
        ),
        (INPUTS, [tensor("label", "INT64", [-1])], "outputs[score]: the server gives no such output; it gives label;"),
        (INPUTS, [tensor("score", "BYTES", [-1])], "outputs[score].type: the contract says float and the server BYTES"),
        ([], [], "served: the server's metadata name no input and no output"),
        ([{"name": "x"}], OUTPUTS, "served: its metadata have a tensor of inputs without name, datatype or shape"),
        (["x"], OUTPUTS, "served: its metadata have a tensor of inputs without name, datatype or shape"),
    ],
)
def test_what_the_server_declares_otherwise_is_told(inputs: Any, outputs: Any, told: str) -> None:
    (found,) = differences(inputs, outputs)

    assert found.startswith(told)


def test_an_optional_input_need_not_be_served() -> None:
    (note,) = compare(CONTRACT, {"inputs": INPUTS[:3], "outputs": OUTPUTS})

    assert str(note) == "inputs[note]: the server takes no such input, and requests need not have it"


def test_what_a_real_mlserver_says_of_the_demo_s_model_is_read() -> None:
    metadata = json.loads((Path(__file__).parent / "documents" / "mlserver-1.7.1.json").read_text())
    fields = [{"name": f"feature {number}", "type": "float"} for number in range(30)]
    outputs = [{"name": "predict", "type": "INT64"}]

    assert compare(Contract.model_validate({"inputs": fields, "outputs": outputs}), metadata) == ()
    (found,) = compare(Contract.model_validate({"inputs": fields[1:], "outputs": outputs}), metadata)
    assert "one tensor of 30 columns, and the contract names 29 inputs" in found.message


class TestOneTensorForAll:
    NUMBERS = Contract.model_validate(
        {
            "inputs": [{"name": "amount", "type": "float"}, {"name": "age", "type": "int"}],
            "outputs": [{"name": "score", "type": "float"}],
            "example": {"age": 40, "amount": 3.5},
        }
    )

    @pytest.mark.parametrize("columns", [-1, 2])
    def test_columns_in_the_order_of_the_contract(self, columns: int) -> None:
        metadata = {"inputs": [tensor("predict", "FP32", [-1, columns])], "outputs": OUTPUTS}

        assert compare(self.NUMBERS, metadata) == ()
        assert request(self.NUMBERS, metadata) == {
            "inputs": [{"name": "predict", "datatype": "FP32", "shape": [1, 2], "data": [3.5, 40]}]
        }

    def test_another_number_of_columns_and_words_among_numbers_are_told(self) -> None:
        wide = compare(self.NUMBERS, {"inputs": [tensor("predict", "FP32", [-1, 3])], "outputs": OUTPUTS})
        words = compare(CONTRACT, {"inputs": [tensor("predict", "FP32", [-1, 4])], "outputs": OUTPUTS})

        assert "one tensor of 3 columns, and the contract names 2 inputs" in wide[0].message
        assert [one.field for one in words] == ["inputs[country].type", "inputs[note].type"]


class TestExample:
    def test_is_sent_as_the_server_declares_it_or_as_is_usual(self) -> None:
        declared = request(CONTRACT, {"inputs": INPUTS, "outputs": OUTPUTS})
        usual = request(CONTRACT, {})

        assert declared["inputs"] == [
            {"name": "amount", "datatype": "FP32", "shape": [1, 1], "data": [3.5]},
            {"name": "age", "datatype": "INT32", "shape": [1, 1], "data": [40]},
            {"name": "country", "datatype": "BYTES", "shape": [1, 1], "data": ["DE"]},
        ]
        assert [one["datatype"] for one in usual["inputs"]] == ["FP64", "INT32", "BYTES"]

    def test_nested_values_keep_their_shape(self) -> None:
        image = Contract.model_validate(
            {"inputs": [{"name": "x", "type": "FP32", "shape": [-1, 2, 2]}], "example": {"x": [[1, 2], [3, 4]]}}
        )

        assert request(image, {})["inputs"] == [
            {"name": "x", "datatype": "FP32", "shape": [1, 2, 2], "data": [1, 2, 3, 4]}
        ]

    def test_an_answer_as_the_contract_says_is_good(self) -> None:
        score = {"name": "score", "datatype": "FP64", "shape": [1, 1], "data": [0.5]}
        more = {"name": "version", "datatype": "BYTES", "shape": [1], "data": ["7"]}

        assert answered(CONTRACT, {"outputs": [score, more]}) == ()

    @pytest.mark.parametrize(
        ("response", "told"),
        [
            ({}, "example: the answer to it has no outputs"),
            ({"outputs": []}, "example: the answer to it cannot be read: there is no tensor in it"),
            ({"outputs": [{"name": "score"}]}, "example: the answer to it cannot be read: a tensor needs"),
            (
                {"outputs": [{"name": "score", "shape": [1], "data": [7]}]},
                "outputs[score]: the answer to the example breaks rule range",
            ),
            (
                {"outputs": [{"name": "label", "shape": [1], "data": [7]}]},
                "outputs[score]: the answer to the example breaks rule missing",
            ),
        ],
    )
    def test_an_answer_of_another_kind_is_told(self, response: Any, told: str) -> None:
        (found,) = answered(CONTRACT, response)

        assert str(found).startswith(told)
