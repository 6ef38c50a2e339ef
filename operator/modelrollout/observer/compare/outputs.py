"""One output of two answers, by one comparator."""

import heapq
import math
from collections.abc import Callable, Sequence
from itertools import zip_longest

from modelrollout.api.observe import By, Comparison
from modelrollout.observer.answers import Output
from modelrollout.observer.compare.elements import NUMBERS, Sort, distance, normal, same, size, sort_of
from modelrollout.observer.compare.finding import Finding, Verdict, disagree, incomparable

USUAL_ABSOLUTE = 0.001
USUAL_RELATIVE = 0.01
_LEAST_SEVERE = 1e-6

Row = Sequence[object]


def compare(one: Output, other: Output, how: Comparison) -> Finding:
    """Symmetric: which of them is the live version's does not matter."""
    sorts = (sort_of(one.values), sort_of(other.values))
    by = how.by or (By.NUMERIC if Sort.FRACTION in sorts else By.EXACT)
    listed = by is By.TOP_K and Sort.FRACTION not in sorts
    if (
        one.shape != other.shape and not (listed and len(one.shape) == len(other.shape) == 1)
    ) or one.keys != other.keys:
        return disagree(_unlike(one, other))
    if not _alike(*sorts):
        return disagree(f"{sorts[0]} against {sorts[1]}")
    match by:
        case By.NUMERIC if any(sort in NUMBERS for sort in sorts):
            return _numeric(one.values, other.values, how)
        case By.TEXT if Sort.TEXT in sorts:
            return _text(one.values, other.values)
        case By.LABEL if _has_scores(one, sorts):
            return _label(one, other)
        case By.TOP_K if listed:
            return _listed(one, other, how)
        case By.TOP_K:
            return _top_k(one, other, how)
        case By.EXACT | By.NUMERIC | By.TEXT | By.LABEL:
            return _exact(one.values, other.values)


def _unlike(one: Output, other: Output) -> str:
    if one.shape != other.shape:
        return f"shape {list(one.shape)} against {list(other.shape)}"
    return "other keys"


def _alike(one: Sort, other: Sort) -> bool:
    """Null says nothing of its sort, and mixed values are looked at one by one."""
    if one is other or {one, other} & {Sort.EMPTY, Sort.MIXED}:
        return True
    return one in NUMBERS and other in NUMBERS


def _exact(one: Row, other: Row) -> Finding:
    wrong = sum(not same(left, right) for left, right in zip(one, other, strict=True))
    return Finding.of(wrong, len(one), "values differ")


def _text(one: Row, other: Row) -> Finding:
    def alike(left: object, right: object) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return left == right or normal(left) == normal(right)
        return same(left, right)

    wrong = sum(not alike(left, right) for left, right in zip(one, other, strict=True))
    return Finding.of(wrong, len(one), "texts differ")


def _numeric(one: Row, other: Row, how: Comparison) -> Finding:
    absolute, relative = how.absolute or 0.0, how.relative or 0.0
    if how.absolute is None and how.relative is None:
        absolute, relative = USUAL_ABSOLUTE, USUAL_RELATIVE
    wrong, largest, excess = 0, 0.0, 0.0
    for left, right in zip(one, other, strict=True):
        if left == right:
            continue
        far = distance(left, right)
        largest = max(largest, far)
        allowed = absolute
        if relative and far > absolute and far != math.inf:
            allowed = max(absolute, relative * size(left, right))
        if far > allowed:
            wrong += 1
            excess = max(excess, _LEAST_SEVERE, 1.0 if far == math.inf else 1.0 - allowed / far)
    if wrong == 0:
        return Finding(Verdict.AGREE, difference=largest)
    reason = f"{wrong} of {len(one)} numbers differ by more than is accepted, by {largest:.6g} at most"
    return Finding(Verdict.DISAGREE, reason, severity=excess, difference=largest)


def _has_scores(output: Output, sorts: tuple[Sort, Sort]) -> bool:
    """Whether there are rows with a score for each label, rather than labels: fractions in one row or several, or
    numbers in rows.
    """
    if not output.shape or output.shape[-1] < 2 or not any(sort in NUMBERS for sort in sorts):
        return False
    return Sort.FRACTION in sorts or len(output.shape) > 1 or bool(output.keys)


def _label(one: Output, other: Output) -> Finding:
    pairs = list(zip(_rows(one), _rows(other), strict=True))
    wrong = sum(_largest(left) != _largest(right) for left, right in pairs)
    return Finding.of(wrong, len(pairs), "labels differ")


def _top_k(one: Output, other: Output, how: Comparison) -> Finding:
    k = how.k or 1
    if math.prod(one.shape) and (not one.shape or one.shape[-1] <= k):
        return incomparable(f"{one.shape[-1] if one.shape else 1} scores in a row, which always has all of the top {k}")
    return _overlap(_rows(one), _rows(other), lambda row: _best(row, k), how)


def _listed(one: Output, other: Output, how: Comparison) -> Finding:
    """Rows of ids in the order of their rank, as recommenders answer."""
    k = how.k or 1
    return _overlap(_rows(one), _rows(other), lambda row: {repr(value) for value in row[:k]}, how)


def _overlap(one: Sequence[Row], other: Sequence[Row], best: Callable[[Row], set[object]], how: Comparison) -> Finding:
    """Rows that are shorter than what is asked for have to be the same as far as they go, and so have none and one."""
    wanted = how.min_overlap or how.k or 1
    wrong = 0
    for left, right in zip_longest(one, other, fillvalue=()):
        ours, theirs = best(left), best(right)
        wrong += len(ours & theirs) < min(wanted, max(len(ours), len(theirs)))
    return Finding.of(wrong, max(1, len(one), len(other)), "rows have too few in common")


def _rows(output: Output) -> list[Row]:
    """Along the last axis; a single value is a row of one."""
    width = output.shape[-1] if output.shape else 1
    if width == 0:
        return []
    return [output.values[at : at + width] for at in range(0, len(output.values), width)]


def _largest(row: Row) -> int | None:
    """Place of the largest number, the first one of several; None where there is none."""
    place = max(range(len(row)), key=lambda at: _score(row[at]), default=None)
    return None if place is None or _score(row[place]) == _NONE else place


_NONE = (False, 0.0)


def _score(value: object) -> tuple[bool, float]:
    """Orders numbers, with what is none, NaN among it, below all of them."""
    if isinstance(value, int | float) and value == value:
        return (True, value)
    return _NONE


def _best(row: Row, k: int) -> set[object]:
    places = heapq.nlargest(k, range(len(row)), key=lambda at: (_score(row[at]), -at))
    return {at for at in places if _score(row[at]) != _NONE}
