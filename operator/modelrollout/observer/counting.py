"""Counts of data by contract and reference: rows, violations and bins of what goes into versions and comes out of them.

Inputs are counted for the version whose contract it is, since both are sent the same; outputs for each version, by the
bins of one reference, so that they can be laid beside each other. The series are those of `modelrollout.data.tally`,
with the labels `modeldeployment` and `revision`, and one more: `modelrollout_data_unreadable_total`, requests and
answers that gave no rows.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel, ValidationError

from modelrollout.api.contract import Contract, DataField
from modelrollout.api.observe import Protocol
from modelrollout.api.reference import Reference
from modelrollout.data import Kind, RowsError, Tally
from modelrollout.data.rows import Row
from modelrollout.data.tally import COUNTERS, GAUGES
from modelrollout.observer.answers import Answer, Message, UnreadableError, read_request
from modelrollout.observer.answers.rows import rows_of_answer, rows_of_request

log = logging.getLogger(__name__)

UNREADABLE = "modelrollout_data_unreadable_total"
_COUNTERS = {**COUNTERS, UNREADABLE: "Requests, or answers, that gave no rows."}

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Documents:
    """What values are held against. Both None: nothing is counted."""

    contract: Contract | None = None
    reference: Reference | None = None

    @classmethod
    def read(cls, *, contract: Mapping[str, Any] | None, reference: Mapping[str, Any] | None) -> "Documents":
        """A document that breaks its own rules is told and left out: what else is observed does not need it."""
        return cls(contract=_read(Contract, contract), reference=_read(Reference, reference))

    def __bool__(self) -> bool:
        return self.contract is not None or self.reference is not None

    def fields(self, kind: Kind) -> Sequence[DataField]:
        if self.contract is None:
            return ()
        return self.contract.inputs if kind is Kind.INPUT else self.contract.outputs


def _read(type_: type[Document], document: Mapping[str, Any] | None) -> Document | None:
    if document is None:
        return None
    try:
        return type_.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        log.error("the %s cannot be used: %s: %s", type_.__name__.lower(), where, first["msg"])
        return None


class DataCounts(Collector):
    """`begin` says for whom and against what; counts of versions that go on being counted alike are kept."""

    def __init__(self) -> None:
        self._deployment = ""
        self._documents = Documents()
        self._protocol = Protocol.JSON
        self._tallies: dict[tuple[str, Kind], Tally] = {}
        self._unreadable: dict[tuple[str, Kind], int] = {}

    def begin(
        self, deployment: str, documents: Documents, protocol: Protocol, *, inputs_of: str, outputs_of: Iterable[str]
    ) -> None:
        """Of revisions by their short ids."""
        counted = [(inputs_of, Kind.INPUT), *((revision, Kind.OUTPUT) for revision in outputs_of)] if documents else []
        if (deployment, documents, protocol) != (self._deployment, self._documents, self._protocol):
            self._tallies.clear()
            self._unreadable.clear()
        self._deployment, self._documents, self._protocol = deployment, documents, protocol
        self._tallies = {key: self._tallies.get(key) or self._tally(key[1]) for key in counted}
        self._unreadable = {key: self._unreadable.get(key, 0) for key in counted}

    def __bool__(self) -> bool:
        """Whether anything is counted."""
        return bool(self._tallies)

    def request(self, revision: str, message: Message) -> None:
        def rows() -> list[Row]:
            fields = self._documents.fields(Kind.INPUT)
            return rows_of_request(self._protocol, read_request(self._protocol, message), fields)

        self._add((revision, Kind.INPUT), rows)

    def answer(self, revision: str, answer: Answer) -> None:
        fields = self._documents.fields(Kind.OUTPUT)
        self._add((revision, Kind.OUTPUT), lambda: rows_of_answer(self._protocol, answer, fields))

    def unreadable(self, revision: str, kind: Kind) -> None:
        if (revision, kind) in self._unreadable:
            self._unreadable[revision, kind] += 1

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        told = [
            ({"modeldeployment": self._deployment, "revision": revision}, sample.metric, sample.labels, sample.value)
            for (revision, _), tally in self._tallies.items()
            for sample in tally.samples()
        ]
        told += [
            ({"modeldeployment": self._deployment, "revision": revision}, UNREADABLE, {"kind": kind.value}, count)
            for (revision, kind), count in self._unreadable.items()
        ]
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for base, metric, labels, value in told:
            family = families.get(metric)
            if family is None:
                names = [*base, *labels]
                if metric in _COUNTERS:
                    family = CounterMetricFamily(metric, _COUNTERS[metric], labels=names)
                else:
                    family = GaugeMetricFamily(metric, GAUGES[metric], labels=names)
                families[metric] = family
            family.add_metric([*base.values(), *labels.values()], value)
        yield from families.values()

    def _add(self, key: tuple[str, Kind], rows: Callable[[], list[Row]]) -> None:
        if key not in self._tallies:
            return
        try:
            self._tallies[key].add(rows())
        except (RowsError, UnreadableError):
            self._unreadable[key] += 1

    def _tally(self, kind: Kind) -> Tally:
        return Tally(kind, contract=self._documents.contract, reference=self._documents.reference)
