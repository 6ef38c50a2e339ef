"""The types that a field of a contract can have: plain words, and the datatypes of the Open Inference Protocol.

A plain word says what people mean (`float`); a datatype says what goes over the wire (`FP32`), and two of those are
equal or not, because servers compare them so.
"""

from enum import StrEnum


class Family(StrEnum):
    """What values of a type are, whatever their width."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    TIME = "time"


class DataType(StrEnum):
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STRING = "string"
    CATEGORY = "category"
    TIMESTAMP = "timestamp"
    V2_BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    @property
    def on_the_wire(self) -> bool:
        """Whether it is a datatype of the Open Inference Protocol."""
        return self.value.isupper()

    @property
    def family(self) -> Family:
        match self:
            case DataType.BOOL | DataType.V2_BOOL:
                return Family.BOOL
            case DataType.STRING | DataType.CATEGORY | DataType.BYTES:
                return Family.TEXT
            case DataType.TIMESTAMP:
                return Family.TIME
            case DataType.FLOAT | DataType.FP16 | DataType.FP32 | DataType.FP64:
                return Family.FLOAT
            case _:
                return Family.INT

    @property
    def numeric(self) -> bool:
        return self.family in (Family.INT, Family.FLOAT)

    @property
    def whole_range(self) -> tuple[int, int] | None:
        """Smallest and largest number of a whole type with a width."""
        name = self.value
        if not self.on_the_wire or self.family is not Family.INT:
            return None
        bits = int(name.rpartition("INT")[2])
        return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
