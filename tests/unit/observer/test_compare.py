"""When two outputs agree, case by case."""

import math

import pytest

from modelrollout.api.observe import By, Comparison, Protocol
from modelrollout.observer.answers import Answer, Output
from modelrollout.observer.compare import Comparator, Verdict, compare

NAN, INF = math.nan, math.inf
AGREE, DISAGREE, INCOMPARABLE = Verdict.AGREE, Verdict.DISAGREE, Verdict.INCOMPARABLE

ANY = Comparison(output="out")
EXACT = Comparison(output="out", by=By.EXACT)
LABEL = Comparison(output="out", by=By.LABEL)
TOP_2 = Comparison(output="out", by=By.TOP_K, k=2)
ONE_OF_TOP_2 = Comparison(output="out", by=By.TOP_K, k=2, min_overlap=1)
TENTH = Comparison(output="out", by=By.NUMERIC, absolute=0.1)
HALF = Comparison(output="out", by=By.NUMERIC, relative=0.5)
TEXT = Comparison(output="out", by=By.TEXT)


@pytest.mark.parametrize(
    ("how", "one", "other", "verdict"),
    [
        # Exact
        (EXACT, [1, 2], [1, 2], AGREE),
        (EXACT, [1, 2], [1, 3], DISAGREE),
        (EXACT, [1, 2], [1.0, 2.0], AGREE),
        (EXACT, [1], [True], DISAGREE),
        (EXACT, ["1"], [1], DISAGREE),
        (EXACT, ["a"], ["A"], DISAGREE),
        (EXACT, [NAN], [NAN], AGREE),
        (EXACT, [NAN], [0.0], DISAGREE),
        (EXACT, [None], [None], AGREE),
        (EXACT, [None], [0], DISAGREE),
        (EXACT, [INF], [INF], AGREE),
        (EXACT, [INF], [-INF], DISAGREE),
        (EXACT, [], [], AGREE),
        (EXACT, [], [1], DISAGREE),
        (EXACT, [[1, 2]], [1, 2], DISAGREE),
        (EXACT, [1, "a", None], [1, "a", None], AGREE),
        (EXACT, [1, [2, {"x": NAN}]], [1, [2, {"x": NAN}]], AGREE),
        (EXACT, [1, [2]], [1, [3]], DISAGREE),
        (EXACT, {"a": 1, "b": 2}, {"b": 2, "a": 1}, AGREE),
        (EXACT, {"a": 1}, {"b": 1}, DISAGREE),
        # chosen by the values
        (ANY, [0.5], [0.5005], AGREE),
        (ANY, [0.5], [0.6], DISAGREE),
        (ANY, [1000.0], [1001.0], AGREE),
        (ANY, [1000], [1001], DISAGREE),
        (ANY, ["yes"], ["yes "], DISAGREE),
        # Label
        (LABEL, [0.1, 0.9], [0.4, 0.6], AGREE),
        (LABEL, [0.1, 0.9], [0.6, 0.4], DISAGREE),
        (LABEL, [0.5, 0.5], [0.5, 0.5], AGREE),
        (LABEL, [0.5, 0.5], [0.6, 0.4], AGREE),
        (LABEL, [0.5, 0.5], [0.4, 0.6], DISAGREE),
        (LABEL, [[0.1, 0.9], [0.8, 0.2]], [[0.2, 0.8], [0.9, 0.1]], AGREE),
        (LABEL, [[0.1, 0.9], [0.8, 0.2]], [[0.2, 0.8], [0.1, 0.9]], DISAGREE),
        (LABEL, [NAN, 0.2, 0.1], [0.0, 0.9, NAN], AGREE),
        (LABEL, [NAN, NAN], [NAN, NAN], AGREE),
        (LABEL, [NAN, NAN], [0.1, NAN], DISAGREE),
        (LABEL, [-INF, INF], [0.1, 0.2], AGREE),
        (LABEL, [1, 0], [0.8, 0.2], AGREE),
        (LABEL, [1, 0, 2], [1, 0, 2], AGREE),
        (LABEL, [1, 0, 2], [1, 1, 2], DISAGREE),
        (LABEL, ["cat"], ["cat"], AGREE),
        (LABEL, ["cat"], ["dog"], DISAGREE),
        (LABEL, [[0.3], [0.4]], [[0.3], [0.9]], DISAGREE),
        (LABEL, {"cat": 0.1, "dog": 0.9}, {"dog": 0.6, "cat": 0.4}, AGREE),
        (LABEL, [], [], AGREE),
        (LABEL, [0.1, 0.9], [0.1, 0.8, 0.1], DISAGREE),
        # TopK
        (TOP_2, [0.5, 0.4, 0.1], [0.4, 0.5, 0.1], AGREE),
        (TOP_2, [0.5, 0.4, 0.1], [0.5, 0.1, 0.4], DISAGREE),
        (ONE_OF_TOP_2, [0.5, 0.4, 0.1], [0.5, 0.1, 0.4], AGREE),
        (TOP_2, [0.5, 0.5], [0.1, 0.9], INCOMPARABLE),
        (TOP_2, [0.5, NAN, NAN], [0.4, NAN, 0.3], DISAGREE),
        (TOP_2, ["a", "b", "c"], ["b", "a", "x"], AGREE),
        (TOP_2, ["a", "b", "c"], ["a", "x", "b"], DISAGREE),
        (TOP_2, ["a", "b", "c"], ["b", "a"], AGREE),
        (TOP_2, ["a"], ["a"], AGREE),
        (TOP_2, ["a"], ["a", "b"], DISAGREE),
        (TOP_2, [[1, 2, 3], [4, 5, 6]], [[2, 1, 9], [5, 4, 9]], AGREE),
        (TOP_2, [], [], AGREE),
        # Numeric
        (TENTH, [1.0, 2.0], [1.05, 1.95], AGREE),
        (TENTH, [1.0, 2.0], [1.2, 2.0], DISAGREE),
        (TENTH, [1], [1], AGREE),
        (TENTH, [1], [2], DISAGREE),
        (TENTH, [NAN], [NAN], AGREE),
        (TENTH, [NAN], [1.0], DISAGREE),
        (TENTH, [INF], [INF], AGREE),
        (TENTH, [INF], [-INF], DISAGREE),
        (TENTH, [INF], [1.0], DISAGREE),
        (TENTH, [1.0], [None], DISAGREE),
        (TENTH, [], [], AGREE),
        (TENTH, [1.0], ["1.0"], DISAGREE),
        (TENTH, ["a"], ["a"], AGREE),
        (TENTH, [10**400], [1.0], DISAGREE),
        (HALF, [10], [20], AGREE),
        (HALF, [20], [10], AGREE),
        (HALF, [9], [20], DISAGREE),
        (HALF, [0], [1], DISAGREE),
        (HALF, [INF], [1.0], DISAGREE),
        # Text
        (TEXT, ["Paris  is\nnice"], ["paris is nice "], AGREE),
        (TEXT, ["ﬁne"], ["Fine"], AGREE),
        (TEXT, ["Paris"], ["Rome"], DISAGREE),
        (TEXT, ["STRASSE"], ["straße"], AGREE),
        (TEXT, [""], [""], AGREE),
        (TEXT, [1], [2], DISAGREE),
    ],
)
def test_two_outputs(how: Comparison, one: object, other: object, verdict: Verdict) -> None:
    assert compare(Output.of_json(one), Output.of_json(other), how).verdict is verdict


def test_a_difference_is_told_in_the_unit_of_the_output() -> None:
    found = compare(Output.of_json([1.0, 4.0]), Output.of_json([1.0, 4.5]), TENTH)
    assert found.difference == pytest.approx(0.5)
    assert "1 of 2 numbers" in found.reason


def test_the_worse_disagreement_is_the_more_severe() -> None:
    slight, grave = (compare(Output.of_json([1.0]), Output.of_json([far]), TENTH) for far in (1.2, 9.0))
    assert 0 < slight.severity < grave.severity <= 1


def answer(**outputs: object) -> Answer:
    return Answer({name: Output.of_json(value) for name, value in outputs.items()}, outputs)


def test_without_comparisons_every_output_is_compared() -> None:
    found = Comparator(()).judge(answer(label="a", score=0.5), answer(label="b", score=0.5001))
    assert {name: finding.verdict for name, finding in found.findings.items()} == {"label": DISAGREE, "score": AGREE}
    assert found.verdict is DISAGREE


def test_an_output_that_one_answer_lacks_is_a_disagreement() -> None:
    found = Comparator(()).judge(answer(label="a", score=0.5), answer(label="a"))
    assert found.findings["score"].verdict is DISAGREE


def test_an_output_that_neither_answer_has_is_no_agreement() -> None:
    comparator = Comparator((Comparison(output="label"), Comparison(output="lable")))
    assert comparator.judge(answer(label="a"), answer(label="a")).verdict is INCOMPARABLE
    assert comparator.judge(answer(label="a"), answer(label="b")).verdict is DISAGREE


def test_answers_without_outputs_are_no_agreement() -> None:
    assert Comparator(()).judge(answer(), answer()).verdict is INCOMPARABLE


def test_a_path_looks_into_the_document() -> None:
    comparator = Comparator((Comparison(path="$.answer.text", name="answer", by=By.TEXT),))
    one, other = answer(answer={"text": "Yes.", "id": 1}), answer(answer={"text": "yes.", "id": 2})
    assert comparator.judge(one, other).verdict is AGREE
    assert comparator.judge(one, answer(answer={"id": 2})).verdict is DISAGREE


def test_generated_text_is_not_promised_to_be_equal() -> None:
    comparator = Comparator.of((), Protocol.OPENAI)
    one, other = answer(text="It is Paris.", length=12, refusal=False), answer(text="Paris!", length=6, refusal=False)
    found = comparator.judge(one, other)
    assert set(found.findings) == {"refusal", "length"}
    assert found.verdict is AGREE
