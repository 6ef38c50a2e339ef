"""A limit on one number of the candidate: a rule, not a statistic.

"GPU memory below 95 %", "queue shorter than 100 for two minutes": such a number has no null to bet against, no other
arm and no error rate, so it is no e-value and takes no part in the weighted mean. A breach is a Fail by rule, and how
often a harmless candidate breaches it is the user's business: the record says `by rule`. For a promotion it must have
been seen and lie within the limit now.

Two ways to breach: `failures` of the last `of` looks were beyond, or all looks over `hold_seconds` were.
"""

import math
from dataclasses import dataclass, replace

from modelrollout.evidence import record
from modelrollout.evidence.errors import EvidenceError

KIND = "Limit"
MAX_LOOKS = 60
_KEYS = ("kind", "looks", "since", "at", "value")


@dataclass(frozen=True, slots=True)
class Level:
    """The number at one time, in seconds of the Unix clock."""

    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPolicy:
    """`low` and `high` are within the limit. `hold_seconds` None counts looks."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    failures: int = 1
    of: int = 1
    hold_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.low <= self.high or (self.low == -math.inf and self.high == math.inf):
            raise EvidenceError(f"Gate {self.name}: the limit must have an upper or a lower end.")
        if not 1 <= self.failures <= self.of <= MAX_LOOKS:
            raise EvidenceError(
                f"Gate {self.name}: 1 <= failures <= of <= {MAX_LOOKS} must hold, not {self.failures} of {self.of}."
            )
        if self.hold_seconds is not None and not (math.isfinite(self.hold_seconds) and self.hold_seconds >= 0):
            raise EvidenceError(f"Gate {self.name}: the time must be a number of seconds, not {self.hold_seconds}.")

    def allows(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEvidence:
    """`looks` are the newest, oldest first, 1 beyond and 0 within; `since` is when a pause-less breach began."""

    looks: str = ""
    since: float | None = None
    at: float | None = None
    value: float | None = None

    def to_dict(self) -> dict[str, object]:
        return {"kind": KIND, "looks": self.looks, "since": self.since, "at": self.at, "value": self.value}

    @classmethod
    def from_dict(cls, stored: object) -> "LimitEvidence":
        fields = record.check_keys(stored, keys=_KEYS)
        looks = fields["looks"]
        if not isinstance(looks, str) or len(looks) > MAX_LOOKS or set(looks) - {"0", "1"}:
            raise EvidenceError("Stored evidence must have a text of 0 and 1 as looks.")
        since, at, value = (
            None if fields[name] is None else record.number(fields[name], field=name)
            for name in ("since", "at", "value")
        )
        return cls(looks=looks, since=since, at=at, value=value)


def update(evidence: LimitEvidence, policy: LimitPolicy, level: Level) -> LimitEvidence:
    """Add one look. One that is not newer than the last adds nothing, and neither does a number that is none."""
    if not math.isfinite(level.value) or (evidence.at is not None and level.at <= evidence.at):
        return evidence
    beyond = not policy.allows(level.value)
    unbroken = evidence.since is not None and evidence.at is not None and not _gap(policy, level.at - evidence.at)
    return replace(
        evidence,
        looks=(evidence.looks + ("1" if beyond else "0"))[-policy.of :],
        since=(evidence.since if unbroken else level.at) if beyond else None,
        at=level.at,
        value=level.value,
    )


def _gap(policy: LimitPolicy, seconds: float) -> bool:
    """Whether nothing was seen for so long that what was beyond may have been within in between."""
    return policy.hold_seconds is not None and seconds > max(policy.hold_seconds, 1.0)


def breached(evidence: LimitEvidence, policy: LimitPolicy) -> bool:
    if policy.hold_seconds is None:
        return evidence.looks.count("1") >= policy.failures
    return (
        evidence.since is not None and evidence.at is not None and evidence.at - evidence.since >= policy.hold_seconds
    )


def within(evidence: LimitEvidence, policy: LimitPolicy) -> bool:
    """Seen, not breached, and within the limit at the newest look."""
    return evidence.value is not None and policy.allows(evidence.value) and not breached(evidence, policy)
