"""What a gate can look at, and what is accepted where the user says nothing."""

from dataclasses import dataclass
from enum import StrEnum


class Signal(StrEnum):
    ERRORS = "Errors"
    LATENCY = "Latency"
    RESTARTS = "Restarts"
    SATURATION = "Saturation"
    QUALITY = "Quality"
    GAUGE = "Gauge"
    DISTRIBUTION = "Distribution"
    OUTCOME = "Outcome"
    QUERY = "Query"
    THRESHOLD = "Threshold"
    AGREEMENT = "Agreement"


LIMITS = (Signal.SATURATION, Signal.THRESHOLD)
"""Plain rules about the candidate alone; all others compare it with the live version."""

WITHOUT_MARGINS = (*LIMITS, Signal.AGREEMENT)
"""Their one line is `max`, `min` or `target`."""


class OnDisagreement(StrEnum):
    """What a candidate that answers differently leads to."""

    HOLD = "Hold"
    ROLLBACK = "Rollback"


@dataclass(frozen=True, slots=True)
class Usual:
    """Margins of a signal that counts requests, where the user gives none: a factor, and percentage points."""

    ratio: float
    tolerate_points: float
    margin_points: float


USUAL = {
    Signal.ERRORS: Usual(1.1, 0.1, 0.5),
    Signal.LATENCY: Usual(1.0, 2.0, 5.0),
    Signal.RESTARTS: Usual(2.0, 1.0, 10.0),
    Signal.QUALITY: Usual(1.0, 1.0, 3.0),
    Signal.DISTRIBUTION: Usual(1.0, 3.0, 6.0),
    Signal.OUTCOME: Usual(1.0, 1.0, 3.0),
    Signal.QUERY: Usual(1.1, 0.1, 0.5),
}
