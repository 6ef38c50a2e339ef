"""Where a ModelDeployment has its contract from, and what the contract decides."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelrollout.api.base import ApiType
from modelrollout.api.config import Document
from modelrollout.api.contract.document import Contract
from modelrollout.api.contract.fields import FieldName
from modelrollout.api.podtemplate import Checked
from modelrollout.api.rules import rule


class Breaking(StrEnum):
    """What becomes of a candidate whose contract breaks that of the live version."""

    REJECT = "Reject"
    REVIEW = "Review"
    ALLOW = "Allow"


class Verify(ApiType):
    """What is asked of the candidate's pods, once they are ready and before they get any traffic."""

    served: Annotated[
        bool,
        Field(description="Whether the metadata that the server gives of the model (GET v2/models/MODEL) must fit."),
    ] = False
    example: Annotated[
        bool, Field(description="Whether the contract's example must be answered, with the outputs that it names.")
    ] = False
    model: Annotated[
        FieldName | None, Field(description="What the server calls the model; model.name when left out.")
    ] = None

    @property
    def wanted(self) -> bool:
        return self.served or self.example


class ContractSource(Document):
    """What the model takes and gives, kept with each revision as it was when the revision was made. It is no content:
    editing it starts no rollout.
    """

    inline: Annotated[
        Annotated[dict[str, Any], Checked(Contract)] | None, Field(description="The contract itself.")
    ] = None
    breaking: Annotated[
        Breaking,
        Field(
            description="When the contract breaks that of the live version: Reject takes the candidate back before any "
            "traffic, Review waits for an approval, Allow only says so."
        ),
    ] = Breaking.REJECT
    verify: Annotated[Verify, Field(description="What the candidate's pods are asked before they get any traffic.")] = (
        Verify()
    )

    @rule(
        "!has(self.inline) || !has(self.verify) || !has(self.verify.example) || !self.verify.example || "
        "has(self.inline.example)",
        "contract.verify.example: the contract has no example; add one, or remove verify.example",
    )
    def _an_example_to_verify(self) -> bool:
        return self.inline is None or not self.verify.example or self.inline.get("example") is not None
