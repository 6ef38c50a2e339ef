"""What was found of a candidate's contract, as its ModelRevision keeps it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType

MAX_FINDINGS = 40


class Severity(StrEnum):
    """Breaking: somebody's requests or readings fail. Note: a difference that harms nobody."""

    BREAKING = "Breaking"
    NOTE = "Note"


class Judged(StrEnum):
    """Kept: nothing breaks. Allowed, Approved: something does, and the policy or a person lets it pass. AwaitingReview:
    not decided yet. Broken, Skewed: taken back.
    """

    KEPT = "Kept"
    ALLOWED = "Allowed"
    APPROVED = "Approved"
    AWAITING_REVIEW = "AwaitingReview"
    BROKEN = "Broken"
    SKEWED = "Skewed"

    @property
    def passed(self) -> bool:
        return self in (Judged.KEPT, Judged.ALLOWED, Judged.APPROVED)


class ContractFinding(ApiType):
    """One difference, and what to do where it breaks something."""

    severity: Annotated[Severity, Field(description="Breaking or Note.")]
    field: Annotated[
        Annotated[str, StringConstraints(max_length=200)],
        Field(description="Where, such as inputs[amount].range."),
    ]
    message: Annotated[
        Annotated[str, StringConstraints(max_length=500)],
        Field(description="What differs and, where it breaks something, what to do."),
    ]


class ContractCheck(ApiType):
    """The contract of a candidate against that of the version that was live then, before it got any traffic."""

    against: Annotated[
        Annotated[str, StringConstraints(max_length=10)],
        Field(description="Revision that was live then."),
    ]
    outcome: Annotated[Judged, Field(description="What came of it.")]
    findings: Annotated[
        tuple[ContractFinding, ...], Field(max_length=MAX_FINDINGS, description="Differences, what breaks first.")
    ] = ()
    verified_at: Annotated[
        datetime | None, Field(description="When its pods were asked and answered as the contract says.")
    ] = None
