"""In which bin a value falls."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from modelrollout.api.reference import FeatureReference
from modelrollout.data.binning import Binning


def binning(**feature: Any) -> Binning:
    return Binning.of(FeatureReference.model_validate({"name": "x", **feature}))


AMOUNT = binning(spread="number", edges=[0, 10, 20], ratios=[0.5, 0.4], missing_ratio=0.1)
COUNTRY = binning(spread="category", categories=["DE", "1", "true"], rare=["IS", "LI"], ratios=[0.5, 0.2, 0.1, 0.2])
NOTE = binning(spread="text", edges=[0, 5, 9], ratios=[0.5, 0.5])


@pytest.mark.parametrize(
    ("of", "value", "label"),
    [
        (AMOUNT, 0, "0..10"),
        (AMOUNT, 9.99, "0..10"),
        (AMOUNT, 10, "10..20"),
        (AMOUNT, 20.0, "10..20"),
        (AMOUNT, True, "0..10"),
        (AMOUNT, 20.01, "out_of_range"),
        (AMOUNT, -1, "out_of_range"),
        (AMOUNT, 10**400, "out_of_range"),
        (AMOUNT, -math.inf, "out_of_range"),
        (AMOUNT, None, "missing"),
        (AMOUNT, math.nan, "missing"),
        (AMOUNT, "5", "unreadable"),
        (AMOUNT, [5], "unreadable"),
        (COUNTRY, "DE", "DE"),
        (COUNTRY, 1, "1"),
        (COUNTRY, 1.0, "1"),
        (COUNTRY, True, "true"),
        (COUNTRY, b"DE", "DE"),
        (COUNTRY, "IS", "rare"),
        (COUNTRY, "US", "unseen"),
        (COUNTRY, None, "missing"),
        (COUNTRY, {}, "unreadable"),
        (NOTE, "", "length 0..5"),
        (NOTE, "seven..", "length 5..9"),
        (NOTE, "much too long", "out_of_range"),
        (NOTE, None, "missing"),
        (NOTE, [], "unreadable"),
    ],
)
def test_a_value_falls_in_its_bin(of: Binning, value: object, label: str) -> None:
    assert of.labels[of.assign(value)] == label


def test_the_shares_of_training_go_with_the_labels() -> None:
    assert dict(zip(AMOUNT.labels, AMOUNT.ratios, strict=True)) == {
        "0..10": 0.5,
        "10..20": 0.4,
        "missing": 0.1,
        "out_of_range": 0.0,
        "unreadable": 0.0,
    }


def test_a_category_that_is_called_like_a_bin_of_ours_is_quoted() -> None:
    assert binning(spread="category", categories=["missing", ""], ratios=[0.5, 0.5]).labels[:2] == ('"missing"', '""')


def test_a_feature_that_training_had_no_value_of_has_none_in_range() -> None:
    never = binning(spread="number", missing_ratio=1.0)

    assert [never.labels[never.assign(value)] for value in (None, math.nan, 3, "x")] == [
        "missing",
        "missing",
        "out_of_range",
        "unreadable",
    ]


def test_a_constant_feature_has_one_bin() -> None:
    constant = binning(spread="number", edges=[5, 5], ratios=[1.0])

    assert [constant.labels[constant.assign(value)] for value in (5, 5.1)] == ["5..5", "out_of_range"]


@pytest.mark.parametrize(
    ("feature", "told"),
    [
        ({"spread": "number", "edges": [0, 1], "ratios": []}, "x: there are 0 ratios for 1 bins"),
        ({"spread": "number", "edges": [0, 0, 1], "ratios": [0.5, 0.5]}, "x: edges must grow"),
        ({"spread": "number", "edges": [0], "ratios": []}, "x: edges must grow"),
        ({"spread": "category", "categories": ["a"], "rare": ["b"], "ratios": [1]}, "x: there are 1 ratios for 2 bins"),
    ],
)
def test_a_reference_that_does_not_fit_together_is_refused(feature: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        binning(**feature)
