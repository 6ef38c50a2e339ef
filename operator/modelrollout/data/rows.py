"""From the body of a request or an answer to rows: the values of each field by its name.

Columns come in three forms: a tensor for each field, one tensor for all fields in the order of the contract, and rows
that are lists or mappings. A body of another form is refused with a sentence, and never half read.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from modelrollout.api.contract import DataField

Row = dict[str, object]


class RowsError(ValueError):
    """Why a body gives no rows, for people."""


def rows_of_tensors(tensors: Sequence[Mapping[str, Any]], fields: Sequence[DataField]) -> list[Row]:
    """Of `inputs` or `outputs` of the Open Inference Protocol; data may be flat or nested."""
    read = [_tensor(tensor) for tensor in tensors]
    if not read:
        raise RowsError("there is no tensor in it")
    names = [field.name for field in fields]
    if len(read) == 1 and read[0][0] not in names and len(names) > 1:
        _, shape, flat = read[0]
        if len(shape) != 2 or shape[1] != len(names):
            raise RowsError(f"its one tensor has the shape {list(shape)}, and the contract {len(names)} fields")
        return [dict(zip(names, flat[at : at + len(names)], strict=True)) for at in range(0, len(flat), len(names))]
    lengths = {shape[0] if shape else 1 for _, shape, _ in read}
    if len(lengths) != 1:
        raise RowsError(f"its tensors have different numbers of rows: {sorted(lengths)}")
    columns = {name: _values(shape, flat) for name, shape, flat in read}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def rows_of_instances(instances: object, fields: Sequence[DataField]) -> list[Row]:
    """Of a list of rows, each a mapping, a list in the order of the contract, or the value of its only field."""
    if not isinstance(instances, list):
        raise RowsError("there is no list of rows in it")
    return [_row(instance, fields) for instance in instances]


def _row(instance: object, fields: Sequence[DataField]) -> Row:
    if isinstance(instance, dict):
        return {str(name): value for name, value in instance.items()}
    if len(fields) == 1:
        return {fields[0].name: instance}
    if isinstance(instance, list) and len(instance) == len(fields):
        return {field.name: value for field, value in zip(fields, instance, strict=True)}
    raise RowsError(f"a row of it is no mapping and no list of {len(fields)} values")


def _tensor(tensor: Mapping[str, Any]) -> tuple[str, tuple[int, ...], list[object]]:
    """Name, shape and flat data."""
    name, shape, data = tensor.get("name"), tensor.get("shape"), tensor.get("data")
    if not isinstance(name, str) or not isinstance(shape, list) or not isinstance(data, list):
        raise RowsError("a tensor needs name, shape and data")
    if not all(isinstance(length, int) and length >= min(place, 1) for place, length in enumerate(shape)):
        raise RowsError(f"tensor {name}: its shape must be whole numbers: rows from 0 on, all others from 1 on")
    flat = list(_flat(data, depth=max(1, len(shape)))) if list in set(map(type, data)) else data
    if len(flat) != math.prod(shape):
        raise RowsError(f"tensor {name}: {len(flat)} values do not fill the shape {shape}")
    return name, tuple(shape), flat


def _flat(data: list[Any], *, depth: int) -> Iterator[object]:
    for part in data:
        if not isinstance(part, list):
            yield part
        elif depth > 1:
            yield from _flat(part, depth=depth - 1)
        else:
            raise RowsError("its data are nested deeper than its shape says")


def _values(shape: tuple[int, ...], flat: list[object]) -> Iterable[object]:
    """One value a row: a single one, or nested lists."""
    size = math.prod(shape[1:])
    return flat if size == 1 else _parts(shape, flat, size)


def _parts(shape: tuple[int, ...], flat: list[object], size: int) -> Iterator[object]:
    inner = shape[1:]
    for row in range(shape[0] if shape else 1):
        yield _nested(inner, flat[row * size : (row + 1) * size])


def _nested(shape: tuple[int, ...], flat: list[object]) -> list[object]:
    if len(shape) == 1:
        return flat
    size = math.prod(shape[1:])
    return [_nested(shape[1:], flat[at * size : (at + 1) * size]) for at in range(shape[0])]
