"""Counts of values by bin and of violations by rule, for one revision: all that Prometheus is told of the data.

The series are fixed before the first row is seen, by contract and reference, and all of them are told from the start,
as zeros: a bin that has nothing yet is then a part of the sums like any other. So a caller can make no series, and a
value never leaves the process. Features beyond `max_features` are not binned; what that leaves out is counted.

| metric | type | labels | meaning |
|---|---|---|---|
| `modelrollout_data_values_total` | counter | `kind`, `feature`, `bin` | values of an input or output by bin |
| `modelrollout_data_violations_total` | counter | `kind`, `feature`, `rule` | values that break the contract |
| `modelrollout_data_rows_total` | counter | `kind` | rows that were looked at |
| `modelrollout_data_requests_total` | counter | `kind` | requests, or answers, that these rows were in |
| `modelrollout_data_uncounted_values_total` | counter | `kind` | values of features beyond the limit |
| `modelrollout_data_reference_ratio` | gauge | `kind`, `feature`, `bin` | share of each bin in the training data |
| `modelrollout_data_reference_rows` | gauge | `kind` | rows of the training data |

All have the labels `modeldeployment` and `revision` as well.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from modelrollout.api.contract import Contract
from modelrollout.api.reference import FeatureReference, Reference
from modelrollout.data.binning import Binning
from modelrollout.data.check import Checker

MAX_FEATURES = 30
"""Inputs that are binned, and outputs, for each revision. With 20 bins a feature that is 690 series of either."""


class Kind(StrEnum):
    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of a metric: labels beside those of the revision, and its value."""

    metric: str
    labels: Mapping[str, str]
    value: float


VALUES = "modelrollout_data_values_total"
VIOLATIONS = "modelrollout_data_violations_total"
ROWS = "modelrollout_data_rows_total"
REQUESTS = "modelrollout_data_requests_total"
UNCOUNTED = "modelrollout_data_uncounted_values_total"
REFERENCE_RATIO = "modelrollout_data_reference_ratio"
REFERENCE_ROWS = "modelrollout_data_reference_rows"

COUNTERS = {
    VALUES: "Values of an input or output by bin.",
    VIOLATIONS: "Values that break the contract, by field and rule.",
    ROWS: "Rows that were looked at.",
    REQUESTS: "Requests, or answers, that these rows were in.",
    UNCOUNTED: "Values of features beyond the limit of features that are binned.",
}
GAUGES = {
    REFERENCE_RATIO: "Share of each bin in the training data.",
    REFERENCE_ROWS: "Rows of the training data that the shares were taken from.",
}


class Tally:
    """Of one kind of data of one revision: its inputs, or its outputs."""

    def __init__(
        self, kind: Kind, *, contract: Contract | None, reference: Reference | None, max_features: int = MAX_FEATURES
    ) -> None:
        self.kind = kind
        fields = () if contract is None else contract.inputs if kind is Kind.INPUT else contract.outputs
        features = _features(kind, reference)
        self._checker = Checker(fields) if fields else None
        self._violations = [0] * (len(self._checker.cells) if self._checker else 0)
        self._binned = tuple(_Binned.of(feature) for feature in features[:max_features])
        self._beyond = len(features) - len(self._binned)
        self._reference_rows = reference.rows if reference is not None else 0
        self.rows = 0
        self.requests = 0

    def add(self, rows: Iterable[Mapping[str, object]]) -> None:
        """The rows of one request, or of one answer."""
        self.requests += 1
        for row in rows:
            self.rows += 1
            if self._checker is not None:
                for place in self._checker.places(row):
                    self._violations[place] += 1
            for binned in self._binned:
                binned.add(row)

    def samples(self) -> Iterator[Sample]:
        """Every series, always the same ones. All have the label `kind`."""
        kind = {"kind": self.kind.value}
        yield Sample(ROWS, kind, self.rows)
        yield Sample(REQUESTS, kind, self.requests)
        for cell, count in zip(self._checker.cells if self._checker else (), self._violations, strict=True):
            yield Sample(VIOLATIONS, {**kind, "feature": cell.field, "rule": cell.rule.value}, count)
        for binned in self._binned:
            for label, count, ratio in zip(binned.labels, binned.counts, binned.ratios, strict=True):
                series = {**kind, "feature": binned.name, "bin": label}
                yield Sample(VALUES, series, count)
                yield Sample(REFERENCE_RATIO, series, ratio)
        if self._beyond:
            yield Sample(UNCOUNTED, kind, self.rows * self._beyond)
        if self._binned:
            yield Sample(REFERENCE_ROWS, kind, self._reference_rows)

    def counts(self) -> dict[str, dict[str, int]]:
        """By feature and bin."""
        return {binned.name: dict(zip(binned.labels, binned.counts, strict=True)) for binned in self._binned}


@dataclass(slots=True)
class _Binned:
    name: str
    labels: tuple[str, ...]
    ratios: tuple[float, ...]
    binning: Binning
    counts: list[int]

    @classmethod
    def of(cls, feature: FeatureReference) -> "_Binned":
        binning = Binning.of(feature)
        return cls(
            name=feature.name,
            labels=binning.labels,
            ratios=binning.ratios,
            binning=binning,
            counts=[0] * len(binning.labels),
        )

    def add(self, row: Mapping[str, object]) -> None:
        """A field that is not there is missing as one that is null is."""
        self.counts[self.binning.assign(row.get(self.name))] += 1


def _features(kind: Kind, reference: Reference | None) -> Sequence[FeatureReference]:
    if reference is None:
        return ()
    return reference.inputs if kind is Kind.INPUT else reference.outputs
