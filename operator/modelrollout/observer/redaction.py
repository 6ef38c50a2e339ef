"""What a person may be shown of a request or an answer: little of it, and nothing that is to be hidden."""

import re
from collections.abc import Sequence

from modelrollout.api.observe import Comparison
from modelrollout.observer.answers import Output
from modelrollout.observer.answers.path import steps_of

HIDDEN = "[redacted]"
ELEMENTS = 10
CHARACTERS = 200
DEPTH = 6

_SECRET = re.compile(
    r"(access|auth|bearer|client|id|refresh|session)?[-_]?(token|secret|password|passwd|api[-_]?key|authorization)",
    re.ASCII | re.IGNORECASE,
)


class Redaction:
    """`names` are those of inputs, outputs and keys; keys that are called like secrets are always hidden."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def hides(self, name: str) -> bool:
        return name in self._names or _SECRET.fullmatch(name) is not None

    def hides_output(self, name: str, how: Comparison | None) -> bool:
        """By its own name, by that of what is compared, or by a key on the path to it."""
        if self.hides(name):
            return True
        if how is None:
            return False
        keys = [step for step in steps_of(how.path) if isinstance(step, str)] if how.path else [how.output or ""]
        return any(self.hides(key) for key in keys)

    def shown(self, value: object, depth: int = 0) -> object:
        """JSON without the rest. A tensor is an object with a name; that name hides its data."""
        match value:
            case dict() | list() if depth == DEPTH:
                return "[…]"
            case dict():
                return self._object(value, depth)
            case list() | tuple():
                kept = [self.shown(element, depth + 1) for element in value[:ELEMENTS]]
                return kept if len(value) <= ELEMENTS else [*kept, f"[{len(value) - ELEMENTS} more]"]
            case str() if len(value) > CHARACTERS:
                return f"{printable(value[:CHARACTERS])}[{len(value) - CHARACTERS} more]"
            case str():
                return printable(value)
            case float() if value != value or value in (float("inf"), float("-inf")):
                return str(value)
            case int() if abs(value) > 2**63:
                return "[a very large number]"
            case None | bool() | int() | float():
                return value
            case _:
                return HIDDEN

    def output(self, output: Output | None) -> object:
        """Its elements with the keys that it had."""
        if output is None:
            return None
        if output.keys:
            return self.shown(dict(zip(output.keys, output.values, strict=True)))
        return self.shown(list(output.values) if output.shape else output.values[0])

    def _object(self, value: dict[object, object], depth: int) -> dict[str, object]:
        hidden = isinstance(name := value.get("name"), str) and self.hides(name)
        shown: dict[str, object] = {}
        for key, inner in list(value.items())[: 3 * ELEMENTS]:
            secret = self.hides(str(key)) or (hidden and key not in ("name", "datatype", "shape"))
            shown[printable(str(key)[:CHARACTERS])] = HIDDEN if secret else self.shown(inner, depth + 1)
        if len(value) > 3 * ELEMENTS:
            shown["…"] = f"[{len(value) - 3 * ELEMENTS} more]"
        return shown


def printable(text: str) -> str:
    """Bytes that are no text came as lone surrogates, which JSON and UTF-8 cannot carry."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
