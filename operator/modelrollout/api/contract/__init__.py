"""Contracts: what a model takes and gives, field by field, and what becomes of a version that breaks its contract."""

from modelrollout.api.contract.document import Contract
from modelrollout.api.contract.fields import DataField, InputField, OutputField, Range
from modelrollout.api.contract.source import Breaking, ContractSource, Verify
from modelrollout.api.contract.types import DataType, Family

__all__ = [
    "Breaking",
    "Contract",
    "ContractSource",
    "DataField",
    "DataType",
    "Family",
    "InputField",
    "OutputField",
    "Range",
    "Verify",
]
