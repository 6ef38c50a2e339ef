"""How evidence is written into an object's status and read back: compact numbers, checked field by field."""

import math
from collections.abc import Collection, Mapping, Sequence

from modelrollout.evidence.counts import Counts
from modelrollout.evidence.errors import EvidenceError

_DECIMALS = 6


def floor(value: float) -> float:
    """`value` to six decimals, never above it; what was rounded once stays as it is."""
    rounded = round(value, _DECIMALS)
    return rounded if rounded <= value else round(rounded - 10**-_DECIMALS, _DECIMALS)


def ceiling(value: float) -> float:
    """`value` to six decimals, never below it; what was rounded once stays as it is."""
    return -floor(-value)


def short(value: float) -> float:
    """`value` to six decimals, as a whole number where it is one."""
    rounded = round(value, _DECIMALS)
    return int(rounded) if rounded == int(rounded) else rounded


def pair(counts: Counts) -> list[float]:
    """`[total, bad]`."""
    return [short(counts.total), short(counts.bad)]


def check_keys(stored: object, *, keys: Collection[str], optional: Collection[str] = ()) -> Mapping[str, object]:
    """`stored` as a mapping that has exactly these keys, and perhaps some of `optional`."""
    if not isinstance(stored, Mapping):
        raise EvidenceError("Stored evidence must be an object with named fields.")
    if missing := sorted(set(keys) - set(stored)):
        raise EvidenceError(f"Stored evidence lacks {', '.join(missing)}.")
    if unknown := sorted(str(key) for key in set(stored) - set(keys) - set(optional)):
        raise EvidenceError(f"Stored evidence has fields that this version does not know: {', '.join(unknown)}.")
    return stored


def number(value: object, *, field: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise EvidenceError(f"Stored evidence must have a finite number as {field}, not {value!r}.")
    return float(value)


def whole(value: object, *, field: str, least: int) -> int:
    """A whole number that is not below `least`."""
    parsed = number(value, field=field)
    if parsed != int(parsed) or parsed < least:
        raise EvidenceError(f"Stored evidence must have a whole number from {least} on as {field}, not {value!r}.")
    return int(parsed)


def numbers(value: object, *, field: str, length: int) -> tuple[float, ...]:
    """A list of so many finite numbers."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != length:
        raise EvidenceError(f"Stored evidence must have a list of {length} numbers as {field}.")
    return tuple(number(item, field=field) for item in value)


def counts(value: object, *, field: str) -> Counts:
    """`[total, bad]` as counts."""
    total, bad = numbers(value, field=field, length=2)
    return Counts(total=total, bad=bad)


def some_numbers(value: object, *, field: str, most: int) -> tuple[float, ...]:
    """A list of up to so many finite numbers."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > most:
        raise EvidenceError(f"Stored evidence must have a list of up to {most} numbers as {field}.")
    return tuple(number(item, field=field) for item in value)


def rows(value: object, *, field: str, rows: int, length: int) -> tuple[tuple[float, ...], ...]:
    """So many lists of so many finite numbers."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != rows:
        raise EvidenceError(f"Stored evidence must have {rows} lists of numbers as {field}.")
    return tuple(numbers(item, field=field, length=length) for item in value)


def texts(value: object, *, field: str, most: int) -> tuple[str, ...]:
    """A list of up to so many different texts."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > most:
        raise EvidenceError(f"Stored evidence must have a list of up to {most} texts as {field}.")
    if not all(isinstance(item, str) for item in value) or len(set(value)) != len(value):
        raise EvidenceError(f"Stored evidence must have different texts as {field}.")
    return tuple(value)


def truth(value: object, *, field: str) -> bool:
    if not isinstance(value, bool):
        raise EvidenceError(f"Stored evidence must have true or false as {field}, not {value!r}.")
    return value
