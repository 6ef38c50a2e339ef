"""A family: one metric as one kind of server exports it, and how its labels are to be read. Pure data."""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who exports it: the model's own pods, the gateway in front of them, by name of the Service, or the observer."""

    POD = "pod"
    OBSERVER = "observer"
    ENVOY = "envoy"


@dataclass(frozen=True, slots=True)
class Family:
    """`metric` is a name, or names of which a pod has one (`a|b`). `by` is the label that splits it, if any does.

    `matchers` are further PromQL matchers, written by us. `bad` is a regular expression for values of `by` that are bad
    ones. `unit_seconds` is what one unit of a bucket bound is in seconds. Counters of one target are summed; of a gauge
    the `aggregate` is taken. `joined` are labels that make up the values of `by`, in this order, with a line between.
    """

    name: str
    metric: str
    by: str
    matchers: str
    bad: str = "5.."
    unit_seconds: float = 1.0
    source: Source = Source.POD
    aggregate: str = "sum"
    joined: tuple[str, ...] = ()
