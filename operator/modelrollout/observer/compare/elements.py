"""Single elements: of which sort they are, and when two of them are the same."""

import math
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from types import NoneType


class Sort(StrEnum):
    """EMPTY: nothing but null, or nothing at all."""

    EMPTY = "null"
    TRUTH = "truth"
    WHOLE = "whole numbers"
    FRACTION = "numbers"
    TEXT = "text"
    MIXED = "mixed values"


NUMBERS = (Sort.WHOLE, Sort.FRACTION)


def sort_of(values: Sequence[object]) -> Sort:
    kinds = set(map(type, values))
    kinds.discard(NoneType)
    if not kinds:
        return Sort.EMPTY
    if kinds == {float} or kinds == {float, int}:
        return Sort.FRACTION
    if len(kinds) > 1:
        return Sort.MIXED
    return {int: Sort.WHOLE, str: Sort.TEXT, bool: Sort.TRUTH}.get(kinds.pop(), Sort.MIXED)


def same(one: object, other: object) -> bool:
    """Equal, with NaN equal to itself and true not equal to 1; lists and objects element by element."""
    match one, other:
        case bool(), _:
            return one is other
        case _, bool():
            return False
        case ((int() | float()), (int() | float())):
            return one == other or (one != one and other != other)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case dict(), dict():
            return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
        case _:
            return one == other


def distance(one: object, other: object) -> float:
    """Absolute difference of two numbers: 0 for those that are the same, infinite where one is no finite number."""
    if same(one, other):
        return 0.0
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return math.inf
    try:
        difference = float(abs(one - other))
    except OverflowError:
        return math.inf
    return difference if difference == difference else math.inf


def size(one: object, other: object) -> float:
    """The larger magnitude of the two, as far as they have one."""
    try:
        return max(abs(float(value)) if isinstance(value, int | float) else 0.0 for value in (one, other))
    except OverflowError:
        return math.inf


def normal(text: str) -> str:
    """Without what readers do not see: Unicode form, case, and how words are spaced."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
