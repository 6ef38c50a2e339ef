"""Which values of a row break a contract, and by which rule."""

import json
import math
from typing import Any

import pytest

from modelrollout.api.contract import Contract
from modelrollout.data.check import Checker, Rule, Violation


def broken(field: dict[str, Any], value: object) -> list[Rule]:
    checker = Checker.of_inputs(Contract.model_validate({"inputs": [{"name": "x", **field}]}))
    return [violation.rule for violation in checker.check({"x": value})]


AMOUNT = {"type": "float", "range": {"min": 0, "max": 100}}
COUNTRY = {"type": "category", "categories": ["DE", "FR", "3"]}
IMAGE = {"type": "FP32", "shape": [-1, 2, -1], "range": {"min": 0}}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        (AMOUNT, 0, None),
        (AMOUNT, 99.5, None),
        (AMOUNT, 100.5, Rule.RANGE),
        (AMOUNT, math.inf, Rule.RANGE),
        (AMOUNT, None, Rule.NULL),
        (AMOUNT, math.nan, Rule.NULL),
        (AMOUNT, "12", Rule.TYPE),
        (AMOUNT, True, Rule.TYPE),
        ({**AMOUNT, "nullable": True}, None, None),
        ({**AMOUNT, "nullable": True}, math.nan, None),
        ({"type": "float"}, -1e300, None),
        ({"type": "int"}, 3, None),
        ({"type": "int"}, 3.0, None),
        ({"type": "int"}, 3.5, Rule.TYPE),
        ({"type": "int"}, math.nan, Rule.NULL),
        ({"type": "int"}, 10**400, None),
        ({"type": "int", "range": {"max": 5}}, 6, Rule.RANGE),
        ({"type": "UINT8"}, 255, None),
        ({"type": "UINT8"}, 256, Rule.TYPE),
        ({"type": "INT16"}, -(2**15), None),
        ({"type": "INT16"}, -(2**15) - 1, Rule.TYPE),
        ({"type": "bool"}, True, None),
        ({"type": "BOOL"}, 1, Rule.TYPE),
        ({"type": "string"}, "anything", None),
        ({"type": "string"}, 3, Rule.TYPE),
        ({"type": "BYTES"}, b"raw", None),
        (COUNTRY, "DE", None),
        (COUNTRY, 3, None),
        (COUNTRY, 3.0, None),
        (COUNTRY, "US", Rule.CATEGORY),
        (COUNTRY, ["DE"], Rule.TYPE),
        (COUNTRY, None, Rule.NULL),
        ({"type": "timestamp"}, "2026-11-24T10:00:00Z", None),
        ({"type": "timestamp"}, 1_700_000_000, None),
        ({"type": "timestamp"}, "yesterday", Rule.TYPE),
        (IMAGE, [[1.0], [2.0]], None),
        (IMAGE, [[1.0, 4.0], [2.0]], None),
        (IMAGE, [[1.0]], Rule.SHAPE),
        (IMAGE, [1.0, 2.0], Rule.SHAPE),
        (IMAGE, [[[1.0]], [[2.0]]], Rule.SHAPE),
        (IMAGE, [[1.0], [-2.0]], Rule.RANGE),
        (IMAGE, [[1.0], ["x"]], Rule.TYPE),
        (IMAGE, None, Rule.NULL),
    ],
)
def test_a_value_breaks_the_first_rule_that_it_does_not_fit(field: dict[str, Any], value: object, rule: Rule) -> None:
    assert broken(field, value) == ([rule] if rule else [])


def test_what_is_not_there_is_missing_only_where_it_is_required() -> None:
    contract = Contract.model_validate(
        {"inputs": [{"name": "a", "type": "int"}, {"name": "b", "type": "int", "required": False}]}
    )

    assert Checker.of_inputs(contract).check({}) == (Violation("a", Rule.MISSING),)


def test_fields_that_the_contract_does_not_name_are_one_violation_whatever_they_are_called() -> None:
    checker = Checker.of_inputs(Contract.model_validate({"inputs": [{"name": "a", "type": "int"}]}))

    assert checker.check({"a": 1, "x": 2, "y": 3}) == (Violation("(unknown)", Rule.UNKNOWN),)


def test_every_output_that_the_contract_names_has_to_be_there() -> None:
    contract = Contract.model_validate({"outputs": [{"name": "score", "type": "float"}]})

    assert Checker.of_outputs(contract).check({}) == (Violation("score", Rule.MISSING),)


def test_only_rules_that_a_field_can_break_have_a_cell() -> None:
    contract = Contract.model_validate(
        {"inputs": [{"name": "a", "type": "int", "required": False, "nullable": True}, {"name": "b", **AMOUNT}]}
    )

    cells = [(cell.field, cell.rule.value) for cell in Checker.of_inputs(contract).cells]

    assert cells == [
        ("a", "type"),
        ("b", "missing"),
        ("b", "null"),
        ("b", "type"),
        ("b", "range"),
        ("(unknown)", "unknown"),
    ]


def test_numbers_that_json_reads_in_odd_ways_are_told() -> None:
    assert broken(AMOUNT, json.loads("1e999")) == [Rule.RANGE]
    assert broken(AMOUNT, json.loads("NaN")) == [Rule.NULL]
