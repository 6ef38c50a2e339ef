"""Whether one contract breaks another: each kind of difference, from both sides."""

from typing import Any

import pytest

from modelrollout.api.contract import Contract, Severity
from modelrollout.data.compatibility import Finding, breaking, compare

AMOUNT = {"name": "x", "type": "float"}
COUNTRY = {"name": "x", "type": "category", "categories": ["DE", "FR"]}


def findings(side: str, live: dict[str, Any], candidate: dict[str, Any]) -> tuple[Finding, ...]:
    return compare(live=Contract.model_validate({side: [live]}), candidate=Contract.model_validate({side: [candidate]}))


B, N = Severity.BREAKING, Severity.NOTE


@pytest.mark.parametrize(
    ("live", "candidate", "part", "as_input", "as_output"),
    [
        (AMOUNT, {**AMOUNT, "type": "string"}, ".type", B, B),
        ({**AMOUNT, "type": "int"}, AMOUNT, ".type", N, B),
        (AMOUNT, {**AMOUNT, "type": "int"}, ".type", B, N),
        (AMOUNT, {**AMOUNT, "type": "FP32"}, ".type", N, N),
        ({**AMOUNT, "type": "FP32"}, {**AMOUNT, "type": "FP64"}, ".type", B, B),
        ({**AMOUNT, "type": "bool"}, {**AMOUNT, "type": "int"}, ".type", B, B),
        ({**AMOUNT, "type": "int"}, {**AMOUNT, "type": "INT64"}, ".type", N, N),
        ({**AMOUNT, "type": "int"}, {**AMOUNT, "type": "UINT8"}, ".type", B, N),
        (COUNTRY, {"name": "x", "type": "string"}, ".type", N, B),
        (AMOUNT, {**AMOUNT, "shape": [-1, 3]}, ".shape", B, B),
        ({**AMOUNT, "shape": [-1, 3]}, {**AMOUNT, "shape": [-1, 4]}, ".shape", B, B),
        ({**AMOUNT, "shape": [-1, 3]}, {**AMOUNT, "shape": [-1, -1]}, ".shape", N, B),
        ({**AMOUNT, "shape": [-1, -1]}, {**AMOUNT, "shape": [-1, 3]}, ".shape", B, N),
        ({**AMOUNT, "unit": "EUR"}, {**AMOUNT, "unit": "cent"}, ".unit", B, B),
        (AMOUNT, {**AMOUNT, "unit": "EUR"}, ".unit", N, N),
        (AMOUNT, {**AMOUNT, "nullable": True}, ".nullable", N, B),
        ({**AMOUNT, "nullable": True}, AMOUNT, ".nullable", B, N),
        (AMOUNT, {**AMOUNT, "range": {"min": 0}}, ".range", B, N),
        ({**AMOUNT, "range": {"min": 0}}, AMOUNT, ".range", N, B),
        ({**AMOUNT, "range": {"min": 0, "max": 1}}, {**AMOUNT, "range": {"min": 0, "max": 2}}, ".range", N, B),
        ({**AMOUNT, "range": {"min": 0, "max": 2}}, {**AMOUNT, "range": {"min": 1, "max": 2}}, ".range", B, N),
        (COUNTRY, {**COUNTRY, "categories": ["DE", "FR", "IT"]}, ".categories", N, B),
        (COUNTRY, {**COUNTRY, "categories": ["DE"]}, ".categories", B, N),
    ],
)
def test_what_narrows_an_input_breaks_callers_and_what_widens_an_output_breaks_readers(
    live: dict[str, Any], candidate: dict[str, Any], part: str, as_input: Severity, as_output: Severity
) -> None:
    for side, severity in (("inputs", as_input), ("outputs", as_output)):
        found = [one for one in findings(side, live, candidate) if one.field == f"{side}[x]{part}"]
        assert [one.severity for one in found] == [severity], side


@pytest.mark.parametrize(
    ("live", "candidate"),
    [
        (AMOUNT, {**AMOUNT, "shape": [-1]}),
        ({**AMOUNT, "shape": [-1, 1]}, AMOUNT),
        (COUNTRY, {**COUNTRY, "categories": ["FR", "DE"]}),
    ],
)
def test_two_spellings_of_the_same_are_no_difference(live: dict[str, Any], candidate: dict[str, Any]) -> None:
    assert not findings("inputs", live, candidate)


def test_a_range_that_moves_both_widens_and_narrows() -> None:
    moved = findings("inputs", {**AMOUNT, "range": {"min": 0, "max": 2}}, {**AMOUNT, "range": {"min": 1, "max": 3}})

    assert [one.severity for one in moved] == [B, N]


def test_an_added_input_breaks_only_where_requests_must_have_it() -> None:
    live = Contract.model_validate({"inputs": [AMOUNT]})
    age = {"name": "merchant_age", "type": "int"}
    needed = Contract.model_validate({"inputs": [AMOUNT, age]})
    optional = Contract.model_validate({"inputs": [AMOUNT, {**age, "required": False}]})

    (found,) = compare(live=live, candidate=needed)
    assert str(found) == (
        "inputs[merchant_age]: a new input that every request needs; make it required: false, or have callers send it"
    )
    assert found.severity is B
    assert not breaking(compare(live=live, candidate=optional))
    assert [one.field for one in breaking(compare(live=optional, candidate=needed))] == [
        "inputs[merchant_age].required"
    ]


def test_whatever_is_dropped_breaks_and_a_new_output_does_not() -> None:
    both = Contract.model_validate(
        {"inputs": [AMOUNT, COUNTRY | {"name": "y"}], "outputs": [AMOUNT, {**AMOUNT, "name": "y"}]}
    )
    less = Contract.model_validate({"inputs": [AMOUNT], "outputs": [AMOUNT]})

    assert [one.field for one in breaking(compare(live=both, candidate=less))] == ["inputs[y]", "outputs[y]"]
    assert [
        str(one)
        for one in compare(
            live=Contract.model_validate({"inputs": [AMOUNT], "outputs": [AMOUNT]}),
            candidate=Contract.model_validate({"inputs": [AMOUNT], "outputs": both.model_dump()["outputs"]}),
        )
    ] == ["outputs[y]: a new output"]


def test_what_breaks_is_told_first_and_many_categories_are_cut_short() -> None:
    many = [f"c{number}" for number in range(9)]
    live = Contract.model_validate({"inputs": [{**AMOUNT, "name": "a"}, {**COUNTRY, "categories": ["DE", *many]}]})
    candidate = Contract.model_validate(
        {"inputs": [{**AMOUNT, "name": "a", "unit": "EUR"}, {**COUNTRY, "categories": ["DE"]}]}
    )

    found = compare(live=live, candidate=candidate)

    assert [one.severity for one in found] == [B, N]
    assert "c0, c1, c2, c3, c4 and 4 more removed" in found[0].message
