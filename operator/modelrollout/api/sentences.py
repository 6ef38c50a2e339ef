"""From pydantic's errors to a sentence that names the field and what to do."""

from typing import Any

from pydantic import ValidationError

_WORDS = {
    "missing": "it is missing; add it",
    "extra_forbidden": "there is no such field; correct its name, or remove it",
}


def sentence(error: ValidationError) -> str:
    """The first thing that is wrong, and how many more there are."""
    first, *others = error.errors()
    where = path(first["loc"])
    what = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    more = f" (and {len(others)} more)" if others else ""
    return f"{where}: {what}{more}" if where else f"{what}{more}"


def path(location: tuple[Any, ...]) -> str:
    """As people write it: `inputs[2].range`."""
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return parts.removeprefix(".")
