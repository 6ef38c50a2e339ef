"""Whether a contract breaks another one: what callers of the live version send, and what they make of its answers.

Inputs and outputs are looked at from opposite sides. An input that accepts more than before is harmless and one that
accepts less breaks callers; an output that may hold more than before breaks callers and one that holds less does not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from modelrollout.api.contract import Contract, DataField, DataType, Family, InputField, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`field` is where it is, such as `inputs[amount].range`; `message` says what differs and, if that breaks, what to
    do.
    """

    severity: Severity
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def breaking(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.severity is Severity.BREAKING)


def compare(*, live: Contract, candidate: Contract) -> tuple[Finding, ...]:
    """What differs between the candidate's contract and the live one's, what breaks first."""
    found = [*_inputs(live, candidate), *_outputs(live, candidate)]
    return tuple(sorted(found, key=lambda finding: finding.severity is Severity.NOTE))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """`wider_breaks`: whether it is a widening that breaks callers."""

    name: str
    wider_breaks: bool

    def at(self, field: str, part: str = "") -> str:
        return f"{self.name}[{field}]{part}"

    def wider(self, where: str, what: str, remedy: str) -> Finding:
        return _break(where, f"{what}; {remedy}") if self.wider_breaks else _note(where, what)

    def narrower(self, where: str, what: str, remedy: str) -> Finding:
        return _note(where, what) if self.wider_breaks else _break(where, f"{what}; {remedy}")


_IN = _Side(name="inputs", wider_breaks=False)
_OUT = _Side(name="outputs", wider_breaks=True)

AnyField = TypeVar("AnyField", bound=DataField)


def _break(where: str, message: str) -> Finding:
    return Finding(severity=Severity.BREAKING, field=where, message=message)


def _note(where: str, message: str) -> Finding:
    return Finding(severity=Severity.NOTE, field=where, message=message)


def _by_name(fields: Iterable[AnyField]) -> Mapping[str, AnyField]:
    return {field.name: field for field in fields}


def _inputs(live: Contract, candidate: Contract) -> Iterator[Finding]:
    before, after = _by_name(live.inputs), _by_name(candidate.inputs)
    for name, field in after.items():
        if name in before:
            yield from _required(before[name], field)
            yield from _field(_IN, before[name], field)
        elif field.required:
            yield _break(
                _IN.at(name), "a new input that every request needs; make it required: false, or have callers send it"
            )
        else:
            yield _note(_IN.at(name), "a new input that requests need not have")
    for name in before.keys() - after.keys():
        yield _break(_IN.at(name), "the live version takes it and this one does not; take it, or have callers stop it")


def _required(before: InputField, after: InputField) -> Iterator[Finding]:
    where = _IN.at(after.name, ".required")
    if after.required and not before.required:
        yield _break(where, "requests need it now; make it required: false, or have callers send it")
    elif before.required and not after.required:
        yield _note(where, "requests need it no longer")


def _outputs(live: Contract, candidate: Contract) -> Iterator[Finding]:
    before, after = _by_name(live.outputs), _by_name(candidate.outputs)
    for name in after.keys() - before.keys():
        yield _note(_OUT.at(name), "a new output")
    for name, field in before.items():
        if name in after:
            yield from _field(_OUT, field, after[name])
        else:
            yield _break(
                _OUT.at(name), "the live version gives it and this one does not; give it, or have readers stop"
            )


def _field(side: _Side, before: DataField, after: DataField) -> Iterator[Finding]:
    yield from _type(side, before, after)
    yield from _shape(side, before, after)
    yield from _unit(side, before, after)
    yield from _nullable(side, before, after)
    yield from _range(side, before, after)
    yield from _categories(side, before, after)


def _type(side: _Side, before: DataField, after: DataField) -> Iterator[Finding]:
    where, what = side.at(after.name, ".type"), f"{before.type} is now {after.type}"
    remedy = f"go back to {before.type}, or have callers follow"
    if before.type is after.type:
        return
    if before.type.on_the_wire and after.type.on_the_wire:
        yield _break(where, f"{what}, and servers compare datatypes exactly; {remedy}")
    elif _wider(before.type, after.type):
        yield side.wider(where, what, remedy)
    elif _wider(after.type, before.type):
        yield side.narrower(where, what, remedy)
    elif before.type.family is after.type.family:
        yield _note(where, what)
    else:
        yield _break(where, f"{what}; {remedy}")


def _wider(narrow: DataType, wide: DataType) -> bool:
    """Whether every value of the one is a value of the other, and not the other way round."""
    if (narrow.family, wide.family) == (Family.INT, Family.FLOAT):
        return True
    if wide is DataType.INT and narrow.whole_range is not None:
        return narrow is not DataType.INT64  # which is what people mean by int
    return narrow is DataType.CATEGORY and wide.family is Family.TEXT


def _shape(side: _Side, before: DataField, after: DataField) -> Iterator[Finding]:
    where = side.at(after.name, ".shape")
    old, new = before.row_shape, after.row_shape
    what, remedy = f"{_shown(before)} is now {_shown(after)}", f"go back to {_shown(before)}, or have callers follow"
    if old == new:
        return
    pairs = list(zip(old, new, strict=False))
    if len(old) == len(new) and all(was == now or now == -1 for was, now in pairs):
        yield side.wider(where, what, remedy)
    elif len(old) == len(new) and all(was == now or was == -1 for was, now in pairs):
        yield side.narrower(where, what, remedy)
    else:
        yield _break(where, f"{what}; {remedy}")


def _shown(field: DataField) -> str:
    return f"[{', '.join(str(length) for length in field.shape)}]" if field.shape else "one value a row"


def _unit(side: _Side, before: DataField, after: DataField) -> Iterator[Finding]:
    where = side.at(after.name, ".unit")
    if before.unit == after.unit:
        return
    if before.unit is not None and after.unit is not None:
        yield _break(
            where,
            f"{before.unit} is now {after.unit}: the same numbers mean something else; keep {before.unit}, or give the "
            "field another name",
        )
    else:
        yield _note(where, f"{before.unit or 'no unit'} is now {after.unit or 'no unit'}")


def _nullable(side: _Side, before: DataField, after: DataField) -> Iterator[Finding]:
    where = side.at(after.name, ".nullable")
    if after.nullable and not before.nullable:
        yield side.wider(where, "null is a value of it now", "never give null, or have readers expect it")
    elif before.nullable and not after.nullable:
        yield side.narrower(where, "null is no value of it any more", "accept null, or have callers never send it")


def _range(side: _Side, before: DataField, after: DataField) -> Iterator[Finding]:
    where = side.at(after.name, ".range")
    old = (before.range.min, before.range.max) if before.range else (None, None)
    new = (after.range.min, after.range.max) if after.range else (None, None)
    if old == new:
        return
    # A lower bound with its sign changed is an upper one, so both ends are compared alike.
    ends = [(_negative(old[0]), _negative(new[0])), (old[1], new[1])]
    what = f"{_told(*old)} is now {_told(*new)}"
    if any(_further(then, now) for then, now in ends):
        yield side.wider(where, what, f"stay within {_told(*old)}, or have readers expect more")
    if any(_further(now, then) for then, now in ends):
        yield side.narrower(where, what, f"accept {_told(*old)}, or have callers send no more than that")


def _negative(bound: float | None) -> float | None:
    return None if bound is None else -bound


def _further(then: float | None, now: float | None) -> bool:
    """Whether an upper bound has moved out; None is no bound."""
    return then is not None and (now is None or now > then)


def _told(low: float | None, high: float | None) -> str:
    match low, high:
        case None, None:
            return "any number"
        case None, _:
            return f"at most {high:g}"
        case _, None:
            return f"at least {low:g}"
        case _:
            return f"{low:g} to {high:g}"


def _categories(side: _Side, before: DataField, after: DataField) -> Iterator[Finding]:
    where = side.at(after.name, ".categories")
    old, new = before.categories, after.categories
    if before.type.family is not Family.TEXT or after.type.family is not Family.TEXT or old == new:
        return
    if old is None and new is not None:
        yield side.narrower(where, "only some values are allowed now", "accept any, or have callers send only these")
    elif old is not None and new is None:
        yield side.wider(where, "any value is allowed now", "list the values, or have readers expect any")
    elif old is not None and new is not None:
        added, gone = [one for one in new if one not in old], [one for one in old if one not in new]
        if added:
            yield side.wider(where, f"{_some(added)} added", "leave it out, or have readers expect it")
        if gone:
            yield side.narrower(where, f"{_some(gone)} removed", "accept it, or have callers never send it")


def _some(names: list[str]) -> str:
    listed = ", ".join(names[:5])
    return listed if len(names) <= 5 else f"{listed} and {len(names) - 5} more"
