"""What a model server says and answers, held against the contract: its metadata, and one example.

Servers name tensors in two ways: one for each field, or one for all fields in their order. Both are read.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelrollout.api.contract import Contract, DataField, DataType, Family, InputField, Severity
from modelrollout.data.check import Checker, Rule
from modelrollout.data.compatibility import Finding
from modelrollout.data.rows import RowsError, rows_of_tensors

_USUAL = {
    Family.BOOL: DataType.V2_BOOL,
    Family.INT: DataType.INT64,
    Family.FLOAT: DataType.FP64,
    Family.TEXT: DataType.BYTES,
    Family.TIME: DataType.BYTES,
}
_HOLDS = {
    Family.BOOL: {Family.BOOL},
    Family.INT: {Family.INT, Family.FLOAT},
    Family.FLOAT: {Family.FLOAT},
    Family.TEXT: {Family.TEXT},
    Family.TIME: {Family.TEXT, Family.INT, Family.FLOAT},
}
"""Which tensors can hold values of a field."""

_CHANGE_EITHER = "correct the contract, or what the server declares"
_CHANGE_MODEL = "correct the contract or the model"


@dataclass(frozen=True, slots=True)
class Tensor:
    """As metadata declare it."""

    name: str
    datatype: DataType
    shape: tuple[int, ...]


def tensors(metadata: Mapping[str, Any], side: str) -> tuple[Tensor, ...]:
    """Of `inputs` or `outputs`; ValueError, in a sentence, for what is no metadata of the Open Inference Protocol."""
    listed = metadata.get(side) or []
    if not isinstance(listed, list):
        raise ValueError(f"its metadata have no list of {side}")
    found = []
    for one in listed:
        try:
            shape = tuple(int(length) for length in one.get("shape") or ())
            found.append(Tensor(str(one["name"]), DataType(one["datatype"]), shape))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"its metadata have a tensor of {side} without name, datatype or shape: {one}") from error
    return tuple(found)


def compare(contract: Contract, metadata: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What the server declares otherwise than the contract does."""
    try:
        inputs, outputs = tensors(metadata, "inputs"), tensors(metadata, "outputs")
    except ValueError as error:
        return (_break("served", f"{error}; have the server give metadata as the Open Inference Protocol says"),)
    if not inputs and not outputs:
        return (
            _break(
                "served",
                "the server's metadata name no input and no output, so nothing can be compared; declare them (for "
                "MLServer inputs and outputs in model-settings.json), or set contract.verify.served to false",
            ),
        )
    found = [*_inputs(contract.inputs, inputs), *_outputs(contract.outputs, outputs)]
    return tuple(sorted(found, key=lambda finding: finding.severity is Severity.NOTE))


def request(contract: Contract, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an inference request with the contract's example, in the form that the server has declared."""
    example = contract.example or {}
    try:
        declared = tensors(metadata, "inputs")
    except ValueError:
        declared = ()
    if _is_one_for_all(contract.inputs, declared):
        values = [example.get(field.name) for field in contract.inputs]
        whole = declared[0]
        return {"inputs": [_tensor(whole.name, whole.datatype, [1, len(values)], values)]}
    by_name = {tensor.name: tensor.datatype for tensor in declared}
    given = []
    for field in contract.inputs:
        if field.name in example:
            datatype = by_name.get(field.name) or _datatype(field)
            shape, flat = _flat(example[field.name])
            given.append(_tensor(field.name, datatype, [1, *(shape or (1,))], flat))
    return {"inputs": given}


def answered(contract: Contract, response: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Whether an answer to the example has the outputs that the contract names, with values that it allows."""
    outputs = response.get("outputs")
    if not isinstance(outputs, list):
        return (_break("example", f"the answer to it has no outputs; {_CHANGE_MODEL}"),)
    if not contract.outputs:
        return ()
    try:
        rows = rows_of_tensors(outputs, contract.outputs)
    except RowsError as error:
        return (_break("example", f"the answer to it cannot be read: {error}; {_CHANGE_MODEL}"),)
    checker = Checker.of_outputs(contract)
    broken = dict.fromkeys(one for row in rows for one in checker.check(row) if one.rule is not Rule.UNKNOWN)
    return tuple(
        _break(f"outputs[{one.field}]", f"the answer to the example breaks rule {one.rule}; {_CHANGE_MODEL}")
        for one in broken
    )


def _is_one_for_all(fields: Sequence[DataField], declared: Sequence[Tensor]) -> bool:
    return len(declared) == 1 and len(fields) > 1 and declared[0].name not in {field.name for field in fields}


def _inputs(fields: Sequence[InputField], declared: Sequence[Tensor]) -> Iterator[Finding]:
    if not fields:
        return
    if _is_one_for_all(fields, declared):
        yield from _one_for_all(fields, declared[0])
        return
    served = {tensor.name: tensor for tensor in declared}
    for field in fields:
        where = f"inputs[{field.name}]"
        if field.name in served:
            yield from _tensor_fits(where, field, served[field.name])
        elif field.required:
            yield _break(where, f"the server takes no such input; it takes {_some(served)}; {_CHANGE_EITHER}")
        else:
            yield _note(where, "the server takes no such input, and requests need not have it")
    for name in served.keys() - {field.name for field in fields}:
        yield _break(f"inputs[{name}]", "the server takes it and the contract does not name it; add it to the contract")


def _outputs(fields: Sequence[DataField], declared: Sequence[Tensor]) -> Iterator[Finding]:
    served = {tensor.name: tensor for tensor in declared}
    for field in fields:
        where = f"outputs[{field.name}]"
        if field.name in served:
            yield from _tensor_fits(where, field, served[field.name])
        else:
            yield _break(where, f"the server gives no such output; it gives {_some(served)}; {_CHANGE_EITHER}")
    if fields:
        for name in served.keys() - {field.name for field in fields}:
            yield _note(f"outputs[{name}]", "the server gives it and the contract does not name it")


def _one_for_all(fields: Sequence[DataField], whole: Tensor) -> Iterator[Finding]:
    where = f"inputs[{whole.name}]"
    columns = whole.shape[-1] if len(whole.shape) > 1 else -1
    if columns not in (-1, len(fields)):
        yield _break(
            where,
            f"the server takes one tensor of {columns} columns, and the contract names {len(fields)} inputs; "
            f"{_CHANGE_EITHER}",
        )
    for field in fields:
        if whole.datatype.family not in _HOLDS[field.type.family]:
            yield _break(
                f"inputs[{field.name}].type",
                f"the server takes all in a tensor of {whole.datatype}, which holds no {field.type}; {_CHANGE_EITHER}",
            )


def _tensor_fits(where: str, field: DataField, tensor: Tensor) -> Iterator[Finding]:
    other = field.type.on_the_wire and field.type is not tensor.datatype
    if other or tensor.datatype.family not in _HOLDS[field.type.family]:
        yield _differs(f"{where}.type", field.type, tensor.datatype)
    served = () if tensor.shape[1:] in ((), (1,)) else tensor.shape[1:]
    same = len(served) == len(field.row_shape) and all(
        -1 in (one, other) or one == other for one, other in zip(served, field.row_shape, strict=True)
    )
    if not same:
        yield _differs(f"{where}.shape", list(field.shape) if field.shape else "one value a row", list(tensor.shape))


def _differs(where: str, said: object, declared: object) -> Finding:
    return _break(where, f"the contract says {said} and the server {declared}; {_CHANGE_EITHER}")


def _datatype(field: DataField) -> DataType:
    return field.type if field.type.on_the_wire else _USUAL[field.type.family]


def _tensor(name: str, datatype: DataType, shape: list[int], data: list[object]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype.value, "shape": shape, "data": data}


def _flat(value: object) -> tuple[tuple[int, ...], list[object]]:
    """Shape and elements of nested lists, of which the first ones tell the lengths."""
    shape: list[int] = []
    level: list[object] = [value]
    while level and isinstance(level[0], list):
        shape.append(len(level[0]))
        level = [element for part in level for element in (part if isinstance(part, list) else [part])]
    return (tuple(shape), level) if math.prod(shape) == len(level) else ((len(level),), level)


def _some(names: Mapping[str, object]) -> str:
    listed = list(names)[:5]
    return (", ".join(listed) + (" and others" if len(names) > 5 else "")) or "none"


def _break(where: str, message: str) -> Finding:
    return Finding(severity=Severity.BREAKING, field=where, message=message)


def _note(where: str, message: str) -> Finding:
    return Finding(severity=Severity.NOTE, field=where, message=message)
