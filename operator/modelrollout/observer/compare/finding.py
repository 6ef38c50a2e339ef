"""What comparing one output found."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    AGREE = "agree"
    DISAGREE = "disagree"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True)
class Finding:
    """`severity` is from 0 (agree) to 1 and only ranks examples. `difference` is the largest absolute difference of
    numbers; None where there is none, and infinite where a number is beside something else.
    """

    verdict: Verdict
    reason: str = ""
    severity: float = 0.0
    difference: float | None = None

    @classmethod
    def of(cls, wrong: int, total: int, what: str) -> "Finding":
        """Agreement when nothing is wrong."""
        if wrong == 0:
            return cls(Verdict.AGREE)
        return cls(Verdict.DISAGREE, f"{wrong} of {total} {what}", severity=wrong / total)


def disagree(reason: str) -> Finding:
    """Wholly: what cannot even be laid side by side."""
    return Finding(Verdict.DISAGREE, reason, severity=1.0)


def incomparable(reason: str) -> Finding:
    return Finding(Verdict.INCOMPARABLE, reason)
