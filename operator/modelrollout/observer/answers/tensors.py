"""The tensors of the Open Inference Protocol: as JSON, and as bytes behind it (the binary tensor extension)."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelrollout.observer.answers.documents import MAX_VALUES, UnreadableError, load_object

LENGTH_HEADER = "inference-header-content-length"
"""Header of a message with binary tensors: how many bytes of it are JSON."""

_FORMATS = {
    "BOOL": "?",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
_FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
_KNOWN = frozenset({*_FORMATS, "BF16", "BYTES"})


@dataclass(frozen=True, slots=True)
class Tensor:
    """`values` are flat, and fill the shape."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[object]


def read(body: bytes, part: str, *, json_length: int | None = None) -> tuple[dict[str, object], list[Tensor]]:
    """The document, and the tensors of its `part`, `inputs` or `outputs`; raises UnreadableError."""
    if json_length is not None and not 0 <= json_length <= len(body):
        raise UnreadableError(f"{LENGTH_HEADER} says {json_length}, and the body has {len(body)} bytes")
    document = load_object(body if json_length is None else body[:json_length])
    described = document.get(part)
    if not isinstance(described, list):
        raise UnreadableError(f"there is no list of {part} in it")
    tail = memoryview(b"" if json_length is None else body)[json_length or 0 :]
    tensors: list[Tensor] = []
    for one in described:
        tensor, used = _tensor(one, tail)
        tail = tail[used:]
        tensors.append(tensor)
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise UnreadableError(f"two of its {part} have the same name")
    return document, tensors


def _tensor(described: object, tail: memoryview) -> tuple[Tensor, int]:
    """And how many bytes of the tail were its own."""
    if not isinstance(described, dict):
        raise UnreadableError("a tensor of it is no object")
    name, datatype, shape = described.get("name"), described.get("datatype"), described.get("shape")
    if not isinstance(name, str) or not isinstance(datatype, str) or not isinstance(shape, list):
        raise UnreadableError("a tensor needs name, datatype and shape")
    if datatype not in _KNOWN:
        raise UnreadableError(f"tensor {name}: the datatype {datatype[:20]} is not known")
    if set(map(type, shape)) - {int} or (shape and min(shape) < 0):
        raise UnreadableError(f"tensor {name}: its shape must be whole numbers from 0 on")
    count = math.prod(shape)
    if count > MAX_VALUES:
        raise UnreadableError(f"tensor {name}: it has more than {MAX_VALUES} elements")
    used = 0
    if (size := _binary_size(described)) is not None:
        if size > len(tail):
            raise UnreadableError(f"tensor {name}: {size} bytes are announced and {len(tail)} are left")
        values, used = unpack(bytes(tail[:size]), datatype, count, name=name), size
    else:
        values = _typed(_flat(described.get("data"), name=name), datatype)
    if len(values) != count:
        raise UnreadableError(f"tensor {name}: {len(values)} elements do not fill the shape {shape}")
    return Tensor(name=name, datatype=datatype, shape=tuple(shape), values=values), used


def _binary_size(described: Mapping[object, object]) -> int | None:
    parameters = described.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    return size if type(size) is int and size >= 0 else None


def unpack(data: bytes, datatype: str, count: int, *, name: str) -> list[object]:
    """Elements of a binary tensor, which are little-endian; BYTES have their length before them."""
    if datatype == "BYTES":
        return _strings(data, name=name)
    if datatype == "BF16":
        _fits(data, count, 2, name=name)
        widened = b"".join(b"\0\0" + data[at : at + 2] for at in range(0, len(data), 2))
        return list(struct.unpack(f"<{count}f", widened))
    _fits(data, count, struct.calcsize("<" + _FORMATS[datatype]), name=name)
    return list(struct.unpack(f"<{count}{_FORMATS[datatype]}", data))


def _fits(data: bytes, count: int, size: int, *, name: str) -> None:
    if len(data) != count * size:
        raise UnreadableError(f"tensor {name}: {len(data)} bytes are not {count} elements of {size}")


def _strings(data: bytes, *, name: str) -> list[object]:
    found: list[object] = []
    at = 0
    while at < len(data):
        end = at + 4 + (struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else len(data))
        if end > len(data) or len(found) >= MAX_VALUES:
            raise UnreadableError(f"tensor {name}: its strings do not fill its bytes")
        found.append(data[at + 4 : end].decode("utf-8", errors="surrogateescape"))
        at = end
    return found


def _flat(data: object, *, name: str) -> list[object]:
    """`data` may be flat or nested; the shape says how it is meant."""
    if not isinstance(data, list):
        raise UnreadableError(f"tensor {name}: there are no data in it")
    level = data
    while list in (kinds := set(map(type, level))):
        if len(kinds) > 1:
            raise UnreadableError(f"tensor {name}: its data are lists beside single values")
        level = [element for part in level for element in part]
    return level


def _typed(values: list[object], datatype: str) -> list[object]:
    """JSON writes 1.0 as 1 where it likes, and true as 1: what was meant is in the datatype."""
    kinds = set(map(type, values))
    if datatype in _FLOATS and int in kinds:
        return [_float(value) if type(value) is int else value for value in values]
    if datatype == "BOOL" and kinds & {int, float}:
        return [bool(value) if value in (0, 1) else value for value in values]
    return values


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
