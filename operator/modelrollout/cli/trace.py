"""Recorded traffic as JSON lines, read one at a time and checked field by field.

A row is what the pods of both arms served in the interval that ends at `t`, as one gate sees it. Every row becomes the
same thing, whatever it was written as: for each pod the number of requests and how many were bad, at one edge for `bad`
and at every edge between buckets for `buckets`.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn

from modelrollout.cli.errors import CliError
from modelrollout.evidence.histogram import beyond

_ROUNDING = 1e-6  # relative; sums of floats need not be exact


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod in one interval; `bad` has one number for each edge that may be judged."""

    name: str
    total: float
    bad: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`place` says where it stands, for messages. `bounds` are the edges' values, where they are known."""

    place: str
    run: str
    t: float
    gate: str
    candidate: tuple[Pod, ...]
    stable: tuple[Pod, ...]
    histogram: bool = False
    bounds: tuple[float, ...] | None = None

    @property
    def edges(self) -> int:
        return next((len(pod.bad) for pod in (*self.candidate, *self.stable)), 1)

    @property
    def is_history(self) -> bool:
        return self.t <= 0

    def refuse(self, field: str, what: str) -> NoReturn:
        raise CliError(f"{self.place}, field {field}: {what}.")


def rows(lines: Iterable[bytes], *, source: str) -> Iterator[Row]:
    """All rows of a trace; CliError, with line and field, at the first that is none."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _Reader(f"{source}, line {number}").row(line)


class _Reader:
    """Reads one line; `self._place` says where a mistake is."""

    def __init__(self, place: str) -> None:
        self._place = place

    def row(self, line: bytes) -> Row:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CliError(f"{self._place}: this is not a JSON object: {error}.") from error
        if not isinstance(fields, dict):
            raise CliError(f"{self._place}: this is not a JSON object, but {_shown(fields)}.")
        t = self._number(fields, "t", "t")
        history = t <= 0
        candidate = self._arm(fields, "candidate", optional=history)
        stable = self._arm(fields, "stable", optional=False)
        buckets = {buckets for _, buckets in (*candidate, *stable)}
        if len(buckets) > 1:
            self._refuse("stable", "all pods of a row need the same buckets, or all need bad")
        histogram = buckets.pop() > 0 if buckets else False
        row = Row(
            place=self._place,
            run=self._text(fields, "run"),
            t=t,
            gate=self._text(fields, "gate"),
            candidate=tuple(pod for pod, _ in candidate),
            stable=tuple(pod for pod, _ in stable),
            histogram=histogram,
            bounds=self._bounds(fields),
        )
        if history and any(pod.total for pod in row.candidate):
            self._refuse("candidate", "a row with t <= 0 is history of the stable pods and has no candidate")
        if row.bounds is not None and histogram and len(row.bounds) != row.edges:
            self._refuse("bounds", f"{row.edges + 1} buckets need {row.edges} bounds, not {len(row.bounds)}")
        return row

    def _text(self, fields: Mapping[str, Any], name: str) -> str:
        value = self._value(fields, name, name)
        if not isinstance(value, str) or not value:
            self._refuse(name, f"{_shown(value)} is not a text")
        return value

    def _arm(self, fields: Mapping[str, Any], arm: str, *, optional: bool) -> list[tuple[Pod, int]]:
        """The pods, each with its number of buckets, 0 for none."""
        entries = fields.get(arm, []) if optional else self._value(fields, arm, arm)
        if not isinstance(entries, list):
            self._refuse(arm, f"{_shown(entries)} is not a list with an entry for each pod")
        return [self._pod(entry, str(index), f"{arm}[{index}]") for index, entry in enumerate(entries)]

    def _pod(self, entry: object, name: str, field: str) -> tuple[Pod, int]:
        if not isinstance(entry, dict):
            self._refuse(field, f'{_shown(entry)} is not an object such as {{"n": 100, "bad": 1}}')
        if "buckets" in entry:
            if "bad" in entry:
                self._refuse(field, "bad and buckets exclude each other")
            return self._histogram(entry, name, field)
        total = self._count(entry, "n", f"{field}.n")
        bad = self._count(entry, "bad", f"{field}.bad")
        if bad > total + _ROUNDING * max(1.0, total):
            self._refuse(f"{field}.bad", f"{bad:g} is more than the {total:g} requests")
        return Pod(name, total, (min(bad, total),)), 0

    def _histogram(self, entry: Mapping[str, Any], name: str, field: str) -> tuple[Pod, int]:
        where = f"{field}.buckets"
        buckets = entry["buckets"]
        if not isinstance(buckets, list) or len(buckets) < 2:
            self._refuse(where, f"{_shown(buckets)} is not a list of two or more counts")
        counts = [self._checked_count(count, f"{where}[{index}]") for index, count in enumerate(buckets)]
        total = math.fsum(counts)
        if "n" in entry:
            said = self._count(entry, "n", f"{field}.n")
            if abs(said - total) > _ROUNDING * max(1.0, total):
                self._refuse(f"{field}.n", f"{said:g} is not the sum of the buckets, {total:g}")
        return Pod(name, total, tuple(min(bad, total) for bad in beyond(counts))), len(counts)

    def _bounds(self, fields: Mapping[str, Any]) -> tuple[float, ...] | None:
        bounds = fields.get("bounds")
        if bounds is None:
            return None
        if not isinstance(bounds, list):
            self._refuse("bounds", f"{_shown(bounds)} is not a list of seconds")
        checked = tuple(self._checked(bound, f"bounds[{index}]") for index, bound in enumerate(bounds))
        if any(later <= earlier for earlier, later in pairwise(checked)):
            self._refuse("bounds", "bounds must be ascending")
        return checked

    def _value(self, fields: Mapping[str, Any], name: str, field: str) -> Any:
        if name not in fields:
            self._refuse(field, "it is missing")
        return fields[name]

    def _number(self, fields: Mapping[str, Any], name: str, field: str) -> float:
        return self._checked(self._value(fields, name, field), field)

    def _count(self, fields: Mapping[str, Any], name: str, field: str) -> float:
        return self._checked_count(self._value(fields, name, field), field)

    def _checked_count(self, value: object, field: str) -> float:
        number = self._checked(value, field)
        if number < 0:
            self._refuse(field, f"{_shown(value)} is negative")
        return number

    def _checked(self, value: object, field: str) -> float:
        """An int stays an int, so that `t` is told as it was given."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(field, f"{_shown(value)} is not a number")
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            self._refuse(field, f"{_shown(value)} is not a finite number")
        return value

    def _refuse(self, field: str, what: str) -> NoReturn:
        raise CliError(f"{self._place}, field {field}: {what}.")


def _shown(value: object) -> str:
    """As JSON would have it, and not too long."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
