"""In which bin a value falls. The bins are those of the reference, so that shares can be compared over any time.

What training did not have is a bin as well: `missing`, `out_of_range` for numbers and lengths, `unseen` for categories
that are not listed, and `unreadable` for what is no value of the kind at all. So every value falls in exactly one, and
nothing that a caller sends can make a new one.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from modelrollout.api.reference import FeatureReference, Spread

MISSING = "missing"
OUT_OF_RANGE = "out_of_range"
UNSEEN = "unseen"
UNREADABLE = "unreadable"
RARE = "rare"
_RESERVED = frozenset({MISSING, OUT_OF_RANGE, UNSEEN, UNREADABLE, RARE, ""})

Assign = Callable[[object], int]


@dataclass(frozen=True, slots=True)
class Binning:
    """`labels` are the bins, `ratios` the shares that they had in training; `assign` gives the index of a value's bin.

    `assign` never fails, whatever the value is.
    """

    labels: tuple[str, ...]
    ratios: tuple[float, ...]
    assign: Assign

    @classmethod
    def of(cls, feature: FeatureReference) -> "Binning":
        match feature.spread:
            case Spread.NUMBER:
                return cls(
                    labels=(*_intervals(feature.edges), MISSING, OUT_OF_RANGE, UNREADABLE),
                    ratios=(*feature.ratios, feature.missing_ratio, 0.0, 0.0),
                    assign=_number(feature),
                )
            case Spread.TEXT:
                return cls(
                    labels=(*_lengths(feature.edges), MISSING, OUT_OF_RANGE, UNREADABLE),
                    ratios=(*feature.ratios, feature.missing_ratio, 0.0, 0.0),
                    assign=_length(feature),
                )
            case Spread.CATEGORY:
                rare = (RARE,) if feature.rare else ()
                return cls(
                    labels=(*(_label(one) for one in feature.categories), *rare, MISSING, UNSEEN, UNREADABLE),
                    ratios=(*feature.ratios, feature.missing_ratio, 0.0, 0.0),
                    assign=_category(feature),
                )


def text_of(value: object) -> str | None:
    """A category as text: what JSON calls `true`, `3` and `"3"` are three words, of which the last two are one."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case bytes():
            return value.decode("utf-8", errors="replace")
        case _:
            return None


def is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(feature: FeatureReference) -> Assign:
    missing, out_of_range, unreadable = (feature.bins + offset for offset in range(3))
    if not feature.edges:
        return lambda value: missing if is_missing(value) else unreadable if _real(value) is None else out_of_range
    low, high, inner = feature.edges[0], feature.edges[-1], feature.edges[1:-1]

    def assign(value: object) -> int:
        if value.__class__ is not float and value.__class__ is not int:
            if value is None:
                return missing
            real = _real(value)
            if real is None:
                return unreadable
            value = real
        if low <= value <= high:
            return bisect_right(inner, value)
        return missing if value != value else out_of_range

    return assign


def _length(feature: FeatureReference) -> Assign:
    missing, unreadable = feature.bins, feature.bins + 2
    numbers = _number(feature)

    def assign(value: object) -> int:
        if is_missing(value):
            return missing
        text = text_of(value)
        return unreadable if text is None else numbers(len(text))

    return assign


def _category(feature: FeatureReference) -> Assign:
    place = {category: index for index, category in enumerate(feature.categories)}
    place |= dict.fromkeys(feature.rare, len(feature.categories))
    missing, unseen, unreadable = (feature.bins + offset for offset in range(3))

    def assign(value: object) -> int:
        if value.__class__ is not str:
            if is_missing(value):
                return missing
            value = text_of(value)
            if value is None:
                return unreadable
        return place.get(value, unseen)

    return assign


def _real(value: object) -> float | None:
    """Of anything that JSON or a data frame may give for a number."""
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return math.copysign(math.inf, value)
    return None


def _intervals(edges: tuple[float, ...]) -> list[str]:
    return [f"{left:.6g}..{right:.6g}" for left, right in pairwise(edges)]


def _lengths(edges: tuple[float, ...]) -> list[str]:
    return [f"length {label}" for label in _intervals(edges)]


def _label(category: str) -> str:
    """Quoted where it would be taken for one of our own bins."""
    return f'"{category}"' if category in _RESERVED else category
