"""From bodies to rows."""

from typing import Any

import pytest

from modelrollout.api.contract import InputField
from modelrollout.data.rows import RowsError, rows_of_instances, rows_of_tensors

FIELDS = (
    InputField.model_validate({"name": "a", "type": "FP32"}),
    InputField.model_validate({"name": "b", "type": "FP32"}),
)


def tensor(name: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": "FP32", "shape": shape, "data": data}


@pytest.mark.parametrize(
    "tensors",
    [
        [tensor("a", [2], [1, 3]), tensor("b", [2, 1], [2, 4])],
        [tensor("a", [2, 1], [[1], [3]]), tensor("b", [2], [2, 4])],
        [tensor("predict", [2, 2], [1, 2, 3, 4])],
        [tensor("predict", [2, 2], [[1, 2], [3, 4]])],
    ],
)
def test_tensors_in_every_usual_form_are_the_same_rows(tensors: list[dict[str, Any]]) -> None:
    assert rows_of_tensors(tensors, FIELDS) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_a_value_with_a_shape_of_its_own_stays_nested() -> None:
    image = InputField.model_validate({"name": "image", "type": "FP32", "shape": [-1, 2, 2]})

    assert rows_of_tensors([tensor("image", [1, 2, 2], [1, 2, 3, 4])], [image]) == [{"image": [[1, 2], [3, 4]]}]


def test_an_empty_batch_has_no_rows() -> None:
    assert rows_of_tensors([tensor("a", [0], []), tensor("b", [0, 1], [])], FIELDS) == []


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ([], "no tensor"),
        ([{"name": "a"}], "needs name, shape and data"),
        ([tensor("a", [2], [1]), tensor("b", [2], [1, 2])], "1 values do not fill"),
        ([tensor("a", [1], [1]), tensor("b", [2], [1, 2])], "different numbers of rows"),
        ([tensor("predict", [1, 3], [1, 2, 3])], "the contract 2 fields"),
        ([tensor("a", [1], [[[[1]]]])], "nested deeper"),
        ([tensor("a", [1_000_000_000, 0], [])], "from 1 on"),
        ([tensor("a", [-1], [])], "from 0 on"),
    ],
)
def test_a_body_of_another_form_is_refused(tensors: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(RowsError, match=told):
        rows_of_tensors(tensors, FIELDS)


@pytest.mark.parametrize("instances", [[{"a": 1, "b": 2}], [[1, 2]]])
def test_instances_are_rows_by_name_or_by_order(instances: list[Any]) -> None:
    assert rows_of_instances(instances, FIELDS) == [{"a": 1, "b": 2}]


def test_the_only_field_needs_no_name() -> None:
    assert rows_of_instances([0.5, [0.5]], FIELDS[:1]) == [{"a": 0.5}, {"a": [0.5]}]


@pytest.mark.parametrize("instances", [None, {"a": 1}, [[1, 2, 3]], [7]])
def test_instances_of_another_form_are_refused(instances: object) -> None:
    with pytest.raises(RowsError):
        rows_of_instances(instances, FIELDS)
