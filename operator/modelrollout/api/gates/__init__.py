"""What "worse" means, gate by gate.

Two lines, both on the excess of the candidate over the live version: below `tolerate` the difference is accepted,
beyond `promoteWithin` it must not go live, and between them either end is fine, so that every truth comes to an end.
Points are percentage points of all requests. `Threshold` and `Saturation` are limits instead, without an error rate.
"""

from modelrollout.api.gates.fields import Direction, GateFields
from modelrollout.api.gates.gate import Gate, TemplateKind, TemplateRef
from modelrollout.api.gates.margins import PromotionMargin, Tolerance
from modelrollout.api.gates.promql import PLACEHOLDERS, Queries
from modelrollout.api.gates.signals import LIMITS, OnDisagreement, Signal

__all__ = [
    "LIMITS",
    "PLACEHOLDERS",
    "Direction",
    "Gate",
    "GateFields",
    "OnDisagreement",
    "PromotionMargin",
    "Queries",
    "Signal",
    "TemplateKind",
    "TemplateRef",
    "Tolerance",
]
