"""What holds of any contract and any value: findings mean what they say, and nothing that is sent fails a check."""

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.contract import Contract, DataType
from modelrollout.api.reference import FeatureReference
from modelrollout.data.binning import Binning
from modelrollout.data.check import Checker, Rule
from modelrollout.data.compatibility import breaking, compare

NUMBERS = st.integers(-5, 5)
CATEGORIES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)
WORDS = st.text("aé3", max_size=5)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | WORDS
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def fields(draw: st.DrawFn, name: str, *, required: bool) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "nullable": draw(st.booleans())}
    field["type"] = draw(st.sampled_from(["int", "float", "category", "string", "bool", "UINT8"]))
    if required:
        field["required"] = draw(st.booleans())
    if field["type"] in ("int", "float", "UINT8") and draw(st.booleans()):
        low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
        field["range"] = {"min": low, "max": high}
    if field["type"] == "category" or (field["type"] == "string" and draw(st.booleans())):
        field["categories"] = draw(CATEGORIES)
    if draw(st.integers(0, 3)) == 0:
        field["shape"] = draw(st.sampled_from([[-1], [-1, 2], [-1, -1], [-1, 2, -1]]))
    return field


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Of few names, so that two of them have some in common."""
    inputs = [draw(fields(name, required=True)) for name in draw(st.sets(st.sampled_from("xyz"), min_size=1))]
    outputs = [draw(fields(name, required=False)) for name in draw(st.sets(st.sampled_from("pq"), min_size=1))]
    return Contract.model_validate({"inputs": inputs, "outputs": outputs})


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A field, and one that differs from it in a single part."""
    before = draw(fields("x", required=True))
    other = draw(fields("x", required=True))
    part = draw(st.sampled_from(["type", "nullable", "required", "range", "categories", "shape"]))
    after = {name: value for name, value in before.items() if name != part}
    after |= {name: value for name, value in other.items() if name == part}
    if DataType(after["type"]).numeric:
        after.pop("categories", None)
    else:
        after.pop("range", None)
    if after["type"] == "category":
        after.setdefault("categories", ["a", "b"])
    elif after["type"] == "bool":
        after.pop("categories", None)
    return before, after


SCALARS: list[object] = [None, True, 0, 1, -4, 5, 2.5, 200, "a", "b", "d", "other"]
VECTORS: list[object] = [[one, other] for one in SCALARS for other in (None, 1, 2.5, "a")]
VALUES = [*SCALARS, *VECTORS, [1], [[1], [2]], [[0.5, 1], [2, 3]], [["a"], ["b"]], [[True], [True]]]


@given(contracts())
def test_a_contract_does_not_differ_from_itself(contract: Contract) -> None:
    assert compare(live=contract, candidate=contract) == ()


ABSENT: dict[str, object] = {}
ROWS = [ABSENT, *({"x": value} for value in VALUES)]


@given(pairs())
def test_a_candidate_that_breaks_nothing_accepts_what_the_live_version_accepts(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    live, candidate = (Contract.model_validate({"inputs": [field]}) for field in pair)
    if not breaking(compare(live=live, candidate=candidate)):
        before, after = Checker.of_inputs(live), Checker.of_inputs(candidate)
        assert not [row for row in ROWS if not before.check(row) and after.check(row)]


@given(pairs())
def test_a_candidate_that_breaks_nothing_gives_only_what_the_live_version_could_give(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    outputs = [{name: value for name, value in field.items() if name != "required"} for field in pair]
    live, candidate = (Contract.model_validate({"outputs": [field]}) for field in outputs)
    if not breaking(compare(live=live, candidate=candidate)):
        before, after = Checker.of_outputs(live), Checker.of_outputs(candidate)
        assert not [row for row in ROWS if not after.check(row) and before.check(row)]


@given(contracts(), st.dictionaries(st.sampled_from("xyzw"), ANYTHING))
def test_a_check_never_fails_and_finds_one_violation_a_field_at_most(
    contract: Contract, row: Mapping[str, object]
) -> None:
    checker = Checker.of_inputs(contract)

    found = checker.check(row)

    assert set(found) <= set(checker.cells)
    assert len({one.field for one in found}) == len(found)
    unknown = row.keys() - {one.name for one in contract.inputs}
    assert any(one.rule is Rule.UNKNOWN for one in found) == bool(unknown)


@given(
    st.sampled_from(
        [
            {"spread": "number", "edges": [-1.5, 0, 2], "ratios": [0.5, 0.5]},
            {"spread": "number"},
            {"spread": "text", "edges": [1, 3], "ratios": [1]},
            {"spread": "category", "categories": ["a", "1"], "rare": ["b"], "ratios": [0.5, 0.3, 0.2]},
        ]
    ),
    ANYTHING,
)
def test_every_value_has_exactly_one_bin(feature: dict[str, Any], value: object) -> None:
    binning = Binning.of(FeatureReference.model_validate({"name": "x", **feature}))

    assert binning.labels[binning.assign(value)]
    if isinstance(value, float) and math.isnan(value):
        assert binning.labels[binning.assign(value)] == "missing"
