"""Whether the values of one row keep a contract, compiled once so that a row of thirty fields costs microseconds.

What can be violated is fixed by the contract: `cells` lists every pair of field and rule, and a violation is the index
of one. So counting them needs no dictionary, and nothing that a caller sends can make a new series.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from modelrollout.api.contract import Contract, DataField, DataType, Family, InputField
from modelrollout.data.binning import is_missing, text_of

UNKNOWN_FIELD = "(unknown)"


class Rule(StrEnum):
    """MISSING: a required field is not there. UNKNOWN: a field is there that the contract does not name."""

    MISSING = "missing"
    NULL = "null"
    TYPE = "type"
    SHAPE = "shape"
    RANGE = "range"
    CATEGORY = "category"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Violation:
    """A field, and the rule that its value breaks."""

    field: str
    rule: Rule


Test = Callable[[object], Rule | None]
"""The first rule that a value breaks."""


class Checker:
    """Of the inputs of a contract, or of its outputs."""

    def __init__(self, fields: Sequence[DataField]) -> None:
        self.cells = tuple(_cells(fields))
        places = {cell: place for place, cell in enumerate(self.cells)}
        self._unknown = len(self.cells) - 1
        self._fields = tuple(
            (
                field.name,
                _test(field),
                {rule: places[Violation(field.name, rule)] for rule in _rules(field)},
            )
            for field in fields
        )
        self._names = frozenset(field.name for field in fields)

    @classmethod
    def of_inputs(cls, contract: Contract) -> "Checker":
        return cls(contract.inputs)

    @classmethod
    def of_outputs(cls, contract: Contract) -> "Checker":
        return cls(contract.outputs)

    def check(self, values: Mapping[str, object]) -> tuple[Violation, ...]:
        """Every violation of one row, at most one a field. Never fails, whatever the values are."""
        return tuple(self.cells[place] for place in self.places(values))

    def places(self, values: Mapping[str, object]) -> list[int]:
        """As `check`, by index into `cells`."""
        found: list[int] = []
        named = 0
        for name, test, places in self._fields:
            if name in values:
                named += 1
                broken = test(values[name])
                if broken is not None:
                    found.append(places[broken])
            elif Rule.MISSING in places:
                found.append(places[Rule.MISSING])
        if named < len(values):
            found.append(self._unknown)
        return found


def _cells(fields: Sequence[DataField]) -> Iterator[Violation]:
    for field in fields:
        for rule in _rules(field):
            yield Violation(field.name, rule)
    yield Violation(UNKNOWN_FIELD, Rule.UNKNOWN)


def _rules(field: DataField) -> Iterator[Rule]:
    """Those that values of the field can break."""
    if not isinstance(field, InputField) or field.required:
        yield Rule.MISSING
    if not field.nullable:
        yield Rule.NULL
    yield Rule.TYPE
    if field.row_shape:
        yield Rule.SHAPE
    if field.range is not None:
        yield Rule.RANGE
    if field.categories is not None:
        yield Rule.CATEGORY


def _test(field: DataField) -> Test:
    one = _scalar(field)
    if not field.row_shape:
        return one
    null = None if field.nullable else Rule.NULL
    shape = field.row_shape

    def test(value: object) -> Rule | None:
        if value is None:
            return null
        flat = _flat(value, shape)
        if flat is None:
            return Rule.SHAPE
        return next((broken for part in flat if (broken := one(part)) is not None), None)

    return test


def _flat(value: object, shape: tuple[int, ...]) -> list[object] | None:
    """The elements of nested lists of that shape; None where they have another one."""
    level: list[object] = [value]
    for length in shape:
        below: list[object] = []
        for part in level:
            if not isinstance(part, list | tuple) or (length >= 0 and len(part) != length):
                return None
            below.extend(part)
        level = below
    return None if any(isinstance(part, list | tuple) for part in level) else level


def _scalar(field: DataField) -> Test:
    null = None if field.nullable else Rule.NULL
    match field.type.family:
        case Family.FLOAT:
            return _number(field, null)
        case Family.INT:
            return _whole(field, null)
        case Family.TEXT:
            return _text(field, null)
        case Family.BOOL:
            return lambda value: null if value is None else None if value is True or value is False else Rule.TYPE
        case Family.TIME:
            return lambda value: null if is_missing(value) else None if _is_time(value) else Rule.TYPE


def _bounds(field: DataField) -> tuple[float, float]:
    low = field.range.min if field.range is not None else None
    high = field.range.max if field.range is not None else None
    return -math.inf if low is None else low, math.inf if high is None else high


def _number(field: DataField, null: Rule | None) -> Test:
    low, high = _bounds(field)

    def test(value: object) -> Rule | None:
        if value.__class__ is float or value.__class__ is int:
            if low <= value <= high:
                return None
            return null if value != value else Rule.RANGE
        if value is None:
            return null
        return Rule.TYPE

    return test


def _whole(field: DataField, null: Rule | None) -> Test:
    """A float without a fraction is a whole number: JSON does not tell `3.0` from `3`."""
    low, high = _bounds(field)
    least, most = field.type.whole_range or (-math.inf, math.inf)

    def test(value: object) -> Rule | None:
        if value.__class__ is not int:
            if is_missing(value):
                return null
            if not isinstance(value, float) or not value.is_integer():
                return Rule.TYPE
        if not least <= value <= most:
            return Rule.TYPE
        return None if low <= value <= high else Rule.RANGE

    return test


def _text(field: DataField, null: Rule | None) -> Test:
    known = None if field.categories is None else frozenset(field.categories)
    words_only = field.type is not DataType.CATEGORY

    def test(value: object) -> Rule | None:
        if value.__class__ is not str:
            if is_missing(value):
                return null
            if words_only and not isinstance(value, bytes):
                return Rule.TYPE
            value = text_of(value)
            if value is None:
                return Rule.TYPE
        return None if known is None or value in known else Rule.CATEGORY

    return test


def _is_time(value: object) -> bool:
    """ISO 8601, or seconds since 1970."""
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)
