"""PromQL that users bring, as templates for one version each.

Only four placeholders exist, each is filled with a typed and escaped value, and a text with another one is refused, so
that a typing error does not become a query that matches nothing.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType
from modelrollout.api.rules import Rule

PLACEHOLDERS = ("{{namespace}}", "{{name}}", "{{revision}}", "{{pods}}")
ARM_PLACEHOLDERS = ("{{revision}}", "{{pods}}")
"""Those that differ between candidate and live version."""

MAX_LENGTH = 2000


def _known_placeholders(text: str) -> bool:
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, "")
    return "{{" not in text


PromQL = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_LENGTH),
    Rule(
        cel=f"!self{''.join(f'.replace({placeholder!r}, {str()!r})' for placeholder in PLACEHOLDERS)}.contains('{{{{')",
        message="the placeholders are {{namespace}}, {{name}}, {{revision}} and {{pods}}; spell them exactly so",
        holds=_known_placeholders,
    ),
]

LabelName = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Queries(ApiType):
    """What to ask of Prometheus, once for each version. Counters are raw and cumulative: no rate(), no increase()."""

    total: Annotated[PromQL | None, Field(description="Counter of all requests, or of all that were judged.")] = None
    bad: Annotated[
        PromQL | None, Field(description="Counter of the bad ones of them; for scores the sum of 1 - score.")
    ] = None
    good: Annotated[PromQL | None, Field(description="Quality: counter of right answers, or the sum of scores.")] = None
    events: Annotated[PromQL | None, Field(description="Outcome: counter of the requests that led to the event.")] = (
        None
    )
    buckets: Annotated[
        PromQL | None, Field(description="Distribution: cumulative buckets of a histogram, with their label le.")
    ] = None
    bins: Annotated[
        PromQL | None, Field(description="Distribution: a counter for each bin, told apart by binLabel.")
    ] = None
    bin_label: Annotated[LabelName | None, Field(description="Distribution: the label that names the bin.")] = None
    value: Annotated[PromQL | None, Field(description="Gauge, Threshold, Saturation: the number itself.")] = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The queries that are set."""
        parts = (self.total, self.bad, self.good, self.events, self.buckets, self.bins, self.value)
        return tuple(part for part in parts if part is not None)


PARTS = tuple(Queries.model_fields)
