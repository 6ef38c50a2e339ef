"""Paths into JSON: names, indices and `[*]`, no more, so that a path costs what it is long and the document wide."""

import re
from functools import lru_cache
from typing import Final

_STEP = re.compile(r'[.]([A-Za-z_][A-Za-z0-9_-]*)|\["([^"\[\]]+)"\]|\[([0-9]{1,6})\]|\[([*])\]')


class Nothing:
    """What a path finds where there is nothing; null is something."""


NOTHING: Final = Nothing()
_EACH: Final = Nothing()

Step = str | int | Nothing


@lru_cache(maxsize=64)
def steps_of(path: str) -> tuple[Step, ...]:
    """Raises ValueError when it is no path."""
    steps: list[Step] = []
    at = 1
    while at < len(path) and (found := _STEP.match(path, at)):
        name, quoted, index, _ = found.groups()
        steps.append(name or quoted or (int(index) if index is not None else _EACH))
        at = found.end()
    if not path.startswith("$") or at != len(path):
        raise ValueError(f"{path!r} is no path; write names, indices and [*] from $, such as $.answer.scores[0]")
    return tuple(steps)


def select(path: str, document: object) -> object:
    """What is at the path; a list of all that is there with `[*]` in it; NOTHING."""
    steps = steps_of(path)
    found: list[object] = [document]
    for step in steps:
        found = [below for one in found for below in _below(one, step)]
    if _EACH in steps:
        return found or NOTHING
    return found[0] if found else NOTHING


def _below(value: object, step: Step) -> list[object]:
    match step, value:
        case str(), dict() if step in value:
            return [value[step]]
        case int(), list() if step < len(value):
            return [value[step]]
        case Nothing(), list():
            return value
        case Nothing(), dict():
            return list(value.values())
        case _:
            return []
