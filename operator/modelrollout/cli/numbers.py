"""Numbers of a decision as people read them. What is read is the shape of a DecisionRecord, on record or made now."""

from collections.abc import Mapping
from typing import Any

Numbers = Mapping[str, Any]

_BAR = 8


def share(arm: Numbers) -> str:
    """`12 of 800 (1.5 %)`."""
    requests, bad = float(arm["requests"]), float(arm["bad"])
    return f"{bad:.0f} of {requests:.0f} ({points(bad / requests if requests else 0.0)} %)"


def points(bound: float) -> str:
    """A fraction of all requests, as percentage points of two digits."""
    return f"{100 * bound:.0f}" if bound >= 0.1 else f"{100 * bound:.2g}"


def power(log: float | None) -> str:
    """Evidence as a power of e, as the operator's messages have it."""
    return "-" if log is None else f"e^{log:.1f}"


def towards(log: float | None, threshold: float | None, *, bar: bool = False) -> str:
    """`e^1.2 of e^3.0`, with a bar before it for a live view."""
    said = f"{power(log)} of {power(threshold)}"
    if not bar or log is None or not threshold:
        return said
    filled = round(_BAR * min(1.0, max(0.0, log / threshold)))
    return f"{'█' * filled}{'░' * (_BAR - filled)} {said}"


def arms(gate: Numbers) -> tuple[str, str]:
    """What the candidate and the live version did, by one gate; what is no count is told once."""
    if gate["candidate"]["requests"] or gate["stable"]["requests"]:
        return share(gate["candidate"]), share(gate["stable"])
    return (str(gate["detail"]) if gate.get("detail") else "nothing yet"), "-"


def gate_rows(numbers: Numbers, *, bar: bool = False) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows: each gate's verdict, both arms, and its evidence against the thresholds."""
    header = ("GATE", "VERDICT", "CANDIDATE", "LIVE", "HARM", "SAFETY", "EXCESS AT MOST")
    rows: list[tuple[str, ...]] = []
    for gate in numbers.get("gates") or ():
        bound = gate.get("bound")
        rows.append(
            (
                gate["name"],
                gate["verdict"],
                *arms(gate),
                towards(gate["harm"], numbers.get("harmThreshold"), bar=bar),
                towards(gate["safety"], numbers.get("safetyThreshold"), bar=bar),
                "-" if bound is None else f"{points(bound)} points",
            )
        )
    return header, rows
