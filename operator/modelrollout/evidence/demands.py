"""What each kind of gate demands of the numbers that it is given; a number that breaks it is named with its gate."""

import math

from modelrollout.evidence.errors import EvidenceError


def weight(gate: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise EvidenceError(f"Gate {gate}: the weight must be a positive number, not {value}.")


def margins(gate: str, *, tolerate: float, promote_within: float, most: float = math.inf) -> None:
    """There is room between the two, and no infinite one, because an end that cannot be reached is none."""
    if not (0 <= tolerate < promote_within <= most and math.isfinite(promote_within)):
        bounds = "0 <= tolerate < promote_within" + (f" <= {most:g}" if math.isfinite(most) else "")
        raise EvidenceError(
            f"Gate {gate}: the margins must obey {bounds}, but they are {tolerate} and {promote_within}."
        )


def intervals(*, planned: int, phi: float) -> None:
    if planned < 1:
        raise EvidenceError(f"At least one interval must be planned, not {planned}.")
    if not (math.isfinite(phi) and phi >= 1):
        raise EvidenceError(f"The dispersion phi must be a number from 1 on, not {phi}.")
