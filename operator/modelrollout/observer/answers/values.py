"""An answer as comparators see it: named outputs, each flat values with a shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Output:
    """`values` are the elements in row-major order. `keys` are those of an object with one value each, in order.

    What is neither a scalar nor a rectangle of scalars, as ragged lists and deeper objects are, is one value of its own
    with the shape ().
    """

    values: Sequence[object]
    shape: tuple[int, ...]
    keys: tuple[str, ...] = ()

    @classmethod
    def of_json(cls, value: object) -> "Output":
        match value:
            case dict() if value and all(not isinstance(one, dict | list) for one in value.values()):
                keys = tuple(sorted(value))
                return cls(values=[value[key] for key in keys], shape=(len(keys),), keys=keys)
            case list():
                shape, flat = rectangle(value)
                return cls(values=(value,), shape=()) if flat is None else cls(values=flat, shape=shape)
            case _:
                return cls(values=(value,), shape=())


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is the JSON of the answer, for paths; None where it has none."""

    outputs: Mapping[str, Output]
    document: object = field(default=None, repr=False)


def rectangle(nested: list[object]) -> tuple[tuple[int, ...], list[object] | None]:
    """Shape and elements of nested lists; None for the elements when they are ragged or hold objects."""
    shape, level = [len(nested)], nested
    while level and all(isinstance(part, list) for part in level):
        lengths = {len(part) for part in level if isinstance(part, list)}
        if len(lengths) != 1:
            return (), None
        shape.append(lengths.pop())
        level = [element for part in level if isinstance(part, list) for element in part]
    if any(isinstance(part, list | dict) for part in level):
        return (), None
    return tuple(shape), level
