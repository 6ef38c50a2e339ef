"""RolloutAction: one thing that a person, or an alert, asks for. Made once, never changed, kept as the audit trail.

Who may ask is RBAC: the verb that an action's name says, in lower case, on the ModelDeployment. An admission policy
checks it and that `requestedBy` is the caller's own name (manifests/base/admission.yaml). What an alert asks for takes
the verb `alert` instead, which the operator alone holds: it may hand on an alert, and ask for nothing of its own.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.alerts import FiredAlert
from modelrollout.api.base import ApiObject, ApiType
from modelrollout.api.config import Sha256
from modelrollout.api.revision import RevisionId
from modelrollout.api.route import DnsLabel
from modelrollout.api.rules import Rule, matching, rule

MAX_KEPT = 50
"""Answered actions that are kept for each ModelDeployment."""

Person = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Said = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000),
    matching(r"^[^\x00-\x08\x0b-\x1f\x7f]*$", "must be plain text without control characters"),
]


class Verb(StrEnum):
    """Approve, Reject: a review. Promote: on to all traffic without more evidence. Rollback: back to the live version,
    or from it to an earlier one. Retry: try a rejected version again.
    """

    APPROVE = "Approve"
    REJECT = "Reject"
    PROMOTE = "Promote"
    PAUSE = "Pause"
    RESUME = "Resume"
    ROLLBACK = "Rollback"
    RETRY = "Retry"


class RolloutActionSpec(ApiType):
    """What is asked for, by whom, and why. It never changes."""

    deployment: Annotated[DnsLabel, Field(description="Name of the ModelDeployment, in the same namespace.")]
    action: Annotated[Verb, Field(description="What is asked for.")]
    requested_by: Annotated[
        Person, Field(description="User name of who asks, as the API server knows it; kubectl auth whoami shows it.")
    ]
    reason: Annotated[Said, Field(description="Why, for whoever reads the record later.")]
    candidate_digest: Annotated[
        Sha256 | None,
        Field(
            description="Digest of the revision that this is about, as its ModelRevision says. Asked of another one, "
            "it is refused. Approve needs it."
        ),
    ] = None
    revision: Annotated[
        RevisionId | None,
        Field(description="With Rollback: the revision to go back to; the one that was live before when left out."),
    ] = None
    role: Annotated[
        DnsLabel | None, Field(description="With Approve: the role in which it is given, as the review stage asks.")
    ] = None
    expires_at: Annotated[datetime | None, Field(description="When it is of no effect any more. Approve needs it.")] = (
        None
    )

    alert: Annotated[
        FiredAlert | None,
        Field(description="With Rollback: the alert that asks for it. The operator makes these actions, not people."),
    ] = None

    _never_changes = Rule(
        cel="self == oldSelf",
        message="spec: an action is a record and cannot be changed; make a new one instead",
        holds=None,
    )

    @rule(
        "self.action != 'Approve' || (has(self.candidateDigest) && has(self.expiresAt))",
        "an approval names the candidate that it is for and when it expires: set candidateDigest and expiresAt",
    )
    def _approval_is_bound(self) -> bool:
        return self.action is not Verb.APPROVE or (self.candidate_digest is not None and self.expires_at is not None)

    @rule(
        "!has(self.revision) || self.action == 'Rollback'",
        "revision says where a Rollback goes; remove it from other actions",
    )
    def _revision_is_of_a_rollback(self) -> bool:
        return self.revision is None or self.action is Verb.ROLLBACK

    @rule(
        "!has(self.alert) || (self.action == 'Rollback' && !has(self.revision))",
        "alert asks for a Rollback of the version that it is about; remove it from other actions, and remove revision",
    )
    def _alert_rolls_back(self) -> bool:
        return self.alert is None or (self.action is Verb.ROLLBACK and self.revision is None)

    @rule("!has(self.role) || self.action == 'Approve'", "role is that of an approval; remove it from other actions")
    def _role_is_of_an_approval(self) -> bool:
        return self.role is None or self.action is Verb.APPROVE


class Answer(StrEnum):
    """Applied: done, once. Refused: it did not fit how things stood. Expired: it came too late."""

    APPLIED = "Applied"
    REFUSED = "Refused"
    EXPIRED = "Expired"


class RolloutActionStatus(ApiType):
    """What came of it."""

    outcome: Annotated[Answer | None, Field(description="Applied, Refused or Expired; absent while it waits.")] = None
    message: Annotated[
        Annotated[str, StringConstraints(max_length=2000)], Field(description="What was done, or why it was not.")
    ] = ""
    at: Annotated[datetime | None, Field(description="When it was answered.")] = None


class RolloutAction(ApiObject):
    """One thing that a person, or an alert, asks of a rollout. The operator applies it once and says what came."""

    spec: Annotated[RolloutActionSpec, Field(description="What is asked for.")]
    status: Annotated[RolloutActionStatus, Field(description="What came of it; written by the operator only.")] = (
        RolloutActionStatus()
    )
