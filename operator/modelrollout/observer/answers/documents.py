"""JSON within bounds: what a few megabytes of brackets would make of memory is refused before it is read."""

from pydantic_core import from_json

MAX_VALUES = 100_000
"""Values of one document, or elements of one tensor. A value takes some hundred bytes, so this bounds a document at
some ten megabytes whatever it is made of.
"""


class UnreadableError(ValueError):
    """Why a body cannot be read, for people."""


def load(body: bytes) -> object:
    """The document; raises UnreadableError. NaN and Infinity, which many servers write, are read as such."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise UnreadableError(f"it has more than {MAX_VALUES} values")
    try:
        document = from_json(body)
    except ValueError as error:
        raise UnreadableError(f"it is no JSON: {error}") from error
    return document


def load_object(body: bytes) -> dict[str, object]:
    document = load(body)
    if not isinstance(document, dict):
        raise UnreadableError(f"it is a JSON {type(document).__name__} where an object is expected")
    return document
