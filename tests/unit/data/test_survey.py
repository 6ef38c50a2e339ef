"""References from rows."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from modelrollout.api.contract import Contract
from modelrollout.api.reference import FeatureReference, Reference
from modelrollout.data.survey import Row, Survey


def surveyed(rows: Sequence[Row], **options: Any) -> Reference:
    survey = Survey(**options)
    for row in rows:
        survey.add(row)
    return survey.count(rows)


def column(values: Sequence[object], **options: Any) -> FeatureReference:
    (feature,) = surveyed([{"x": value} for value in values], **options).inputs
    return feature


def test_numbers_are_binned_so_that_each_bin_has_about_as_many() -> None:
    chance = random.Random(1)

    made = column([chance.lognormvariate(0, 1) for _ in range(5000)])

    assert made.spread == "number"
    assert made.ratios == pytest.approx([0.1] * 10, abs=0.005)
    assert sum(made.ratios) == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "edges", "ratios"),
    [
        ([0, 1] * 50, (0, 0.5, 1), (0.5, 0.5)),
        ([1, 2, 2, 5], (1, 1.5, 3.5, 5), (0.25, 0.5, 0.25)),
        ([7.0] * 9, (7, 7), (1,)),
    ],
)
def test_few_different_numbers_have_a_bin_each(
    values: list[float], edges: tuple[float, ...], ratios: tuple[float, ...]
) -> None:
    made = column(values)

    assert (made.edges, made.ratios) == (edges, ratios)


def test_a_number_that_most_rows_have_does_not_make_empty_bins() -> None:
    made = column([0.0] * 900 + [float(one) for one in range(1, 101)])

    assert len(made.edges) == len(set(made.edges))
    assert all(made.ratios)


def test_what_is_missing_has_its_own_share_whether_it_is_null_or_not_there() -> None:
    rows: list[Row] = [{"y": 1.0}, {"x": None, "y": 1.0}, {"x": float("nan"), "y": 1.0}, {"x": 2.0, "y": 1.0}]

    made = {one.name: one for one in surveyed(rows).inputs}

    assert (made["x"].missing_ratio, made["x"].ratios) == (0.75, (0.25,))
    assert made["y"].missing_ratio == 0


def test_a_column_without_any_value_is_all_missing() -> None:
    made = column([None] * 5)

    assert (made.missing_ratio, made.edges, made.ratios) == (1, (), ())


def test_words_that_come_again_and_again_are_categories_and_the_less_common_ones_share_a_bin() -> None:
    made = column([f"c{number}" for number in range(25) for _ in range(100 - number)])

    assert made.spread == "category"
    assert made.categories[:2] == ("c0", "c1")
    assert (len(made.categories), len(made.rare)) == (20, 5)
    assert sum(made.ratios) == pytest.approx(1, abs=1e-4)


def test_words_of_which_each_is_another_are_never_written_down() -> None:
    made = column([f"alice-{number}@example.com" for number in range(2000)])

    assert made.spread == "text"
    assert "alice" not in made.model_dump_json()
    assert sum(made.ratios) == pytest.approx(1, abs=1e-4)


def test_a_word_that_only_few_rows_have_is_never_written_down() -> None:
    made = column([*["none"] * 2000, *(f"alice-{number}" for number in range(10))])

    assert (made.spread, made.categories, made.rare) == ("category", ("none",), ())


def test_truths_are_categories_and_mixed_words_and_numbers_are_too() -> None:
    assert set(column([True, False] * 50).categories) == {"true", "false"}
    assert set(column([1.0, "A"] * 50).categories) == {"1", "A"}


def test_the_contract_says_what_is_an_output_and_of_what_type() -> None:
    contract = Contract.model_validate(
        {
            "inputs": [
                {"name": "code", "type": "category", "categories": ["1", "2"]},
                {"name": "when", "type": "timestamp"},
                {"name": "never", "type": "float"},
            ],
            "outputs": [{"name": "score", "type": "float"}],
        }
    )
    rows: list[Row] = [{"code": 1.0, "when": "2026-11-24", "score": 0.5, "id": 7.0}, {"code": 2.0, "score": 0.7}] * 10
    survey = Survey(contract=contract)
    for row in rows:
        survey.add(row)

    made = survey.count(rows)

    assert [(one.name, one.spread.value) for one in made.inputs] == [("code", "category"), ("never", "number")]
    assert [one.name for one in made.outputs] == ["score"]
    assert (survey.ignored, survey.left_out) == ({"id"}, ["when"])


def test_no_row_is_no_reference() -> None:
    with pytest.raises(ValueError, match="no row"):
        Survey().count([])
