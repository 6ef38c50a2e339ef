"""Contracts: what a model takes and gives, field by field, and what becomes of a version that breaks its contract."""

from modelrollout.api.contract.document import Contract
from modelrollout.api.contract.fields import DataField, InputField, OutputField, Range
from modelrollout.api.contract.judged import MAX_FINDINGS, ContractCheck, ContractFinding, Judged, Severity
from modelrollout.api.contract.source import Breaking, ContractSource, Verify
from modelrollout.api.contract.types import DataType, Family

__all__ = [
    "MAX_FINDINGS",
    "Breaking",
    "Contract",
    "ContractCheck",
    "ContractFinding",
    "ContractSource",
    "DataField",
    "DataType",
    "Family",
    "InputField",
    "Judged",
    "OutputField",
    "Range",
    "Severity",
    "Verify",
]
