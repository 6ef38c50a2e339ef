"""Laws of comparing: anything agrees with itself, and it does not matter which of two answers comes first."""

import json

from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.observe import By, Comparison
from modelrollout.observer.answers import Output
from modelrollout.observer.compare import Verdict, compare
from modelrollout.observer.compare.elements import normal

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
uniform = st.one_of(*(st.lists(of, max_size=6) for of in (scalars, st.integers(), st.floats(), st.text(max_size=3))))
rows = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.floats(), min_size=width, max_size=width), min_size=1, max_size=3)
)
values = st.one_of(
    scalars,
    uniform,
    rows,
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=4),
    st.recursive(scalars, lambda below: st.lists(below, max_size=3), max_leaves=8),
)
comparisons = st.sampled_from(
    (
        *(Comparison(output="out", by=by) for by in (None, By.EXACT, By.LABEL, By.NUMERIC, By.TEXT)),
        Comparison(output="out", by=By.TOP_K, k=2),
        Comparison(output="out", by=By.TOP_K, k=3, min_overlap=1),
        Comparison(output="out", by=By.NUMERIC, absolute=0.5, relative=0.1),
    )
)


@given(one=values, other=values, how=comparisons)
def test_symmetric_bounded_and_never_failing(one: object, other: object, how: Comparison) -> None:
    there = compare(Output.of_json(one), Output.of_json(other), how)
    back = compare(Output.of_json(other), Output.of_json(one), how)
    assert (there.verdict, there.severity, there.difference) == (back.verdict, back.severity, back.difference)
    assert 0 <= there.severity <= 1
    assert (there.severity > 0) == (there.verdict is Verdict.DISAGREE)
    assert there.difference is None or there.difference >= 0


@given(value=values, how=comparisons)
def test_anything_agrees_with_itself(value: object, how: Comparison) -> None:
    found = compare(Output.of_json(value), Output.of_json(value), how)
    assert found.verdict is Verdict.AGREE or (how.by is By.TOP_K and found.verdict is Verdict.INCOMPARABLE)


@given(value=values, other=values)
def test_what_is_exactly_equal_agrees_by_every_comparison(value: object, other: object) -> None:
    exact = Comparison(output="out", by=By.EXACT)
    if compare(Output.of_json(value), Output.of_json(other), exact).verdict is Verdict.AGREE:
        for by in (By.LABEL, By.NUMERIC, By.TEXT):
            how = Comparison(output="out", by=by)
            assert compare(Output.of_json(value), Output.of_json(other), how).verdict is Verdict.AGREE


@given(one=st.floats(allow_nan=False), other=st.floats(allow_nan=False), absolute=st.floats(0, 1e6))
def test_a_wider_tolerance_never_makes_a_disagreement(one: float, other: float, absolute: float) -> None:
    narrow = Comparison(output="out", by=By.NUMERIC, absolute=absolute)
    wide = Comparison(output="out", by=By.NUMERIC, absolute=absolute * 2, relative=0.1)
    outputs = Output.of_json([one]), Output.of_json([other])
    if compare(*outputs, narrow).verdict is Verdict.AGREE:
        assert compare(*outputs, wide).verdict is Verdict.AGREE


@given(text=st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@given(value=values)
def test_a_rectangle_is_filled_by_its_elements(value: object) -> None:
    output = Output.of_json(value)
    size = 1
    for length in output.shape:
        size *= length
    assert len(output.values) == size, json.dumps(value, default=str)
