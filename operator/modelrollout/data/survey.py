"""A reference from rows, in two passes: the first finds bins, the second counts.

A column of numbers is kept as a sample of bounded size, so that data of any length fit; smallest and largest value are
exact, and so are all counts. Words are listed where nearly all rows have one that several others have too; text of any
other kind is told by its length alone, for names and addresses must not end up in a file that goes round.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from modelrollout.api.contract import Contract, DataType, Family
from modelrollout.api.reference import MAX_BINS, MAX_COMMON, MAX_RARE, FeatureReference, Reference, Spread
from modelrollout.data.binning import MISSING, Binning, is_missing, text_of

SAMPLE = 100_000
USUAL_BINS = 10
_FEW_VALUES = 10
_LEAST_ROWS = 5
_MOST_UNLISTED = 0.01
_DISTINCT = 5_000

Row = Mapping[str, object]


@dataclass(slots=True)
class Column:
    """What the first pass has seen of a column."""

    rows: int = 0
    missing: int = 0
    texts: int = 0
    low: float = math.inf
    high: float = -math.inf
    numbers: int = 0
    sample: list[float] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)

    def add(self, value: object, chance: random.Random) -> None:
        self.rows += 1
        if is_missing(value):
            self.missing += 1
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.texts += 1
        elif math.isfinite(value):
            self._number(float(value), chance)
        text = text_of(value)
        if text is None:
            return
        self.lengths[len(text)] += 1
        if len(self.values) < _DISTINCT or text in self.values:
            self.values[text] += 1

    def _number(self, value: float, chance: random.Random) -> None:
        self.numbers += 1
        self.low, self.high = min(self.low, value), max(self.high, value)
        if len(self.sample) < SAMPLE:
            self.sample.append(value)
        elif (place := chance.randrange(self.numbers)) < SAMPLE:
            self.sample[place] = value


class Survey:
    """The first pass. `contract` says which columns there are and of what type; without it all are inputs."""

    def __init__(
        self, *, contract: Contract | None = None, outputs: Sequence[str] = (), bins: int = USUAL_BINS
    ) -> None:
        self._contract = contract
        self._outputs = frozenset(outputs) | {one.name for one in (contract.outputs if contract else ())}
        self._types = {one.name: one.type for one in (*contract.inputs, *contract.outputs)} if contract else {}
        self._bins = min(bins, MAX_BINS)
        self._columns: dict[str, Column] = {name: Column() for name in self._types}
        self._chance = random.Random(0)
        self.ignored: set[str] = set()
        self.rows = 0

    def add(self, row: Row) -> None:
        self.rows += 1
        for name in self._columns.keys() - row.keys():
            self._columns[name].add(None, self._chance)
        for name, value in row.items():
            column = self._columns.get(name)
            if column is None:
                if self._contract is not None and name not in self._outputs:
                    self.ignored.add(name)
                    continue
                column = self._columns[name] = Column(rows=self.rows - 1, missing=self.rows - 1)
            column.add(value, self._chance)

    def count(self, rows: Iterable[Row], *, dataset: str | None = None) -> Reference:
        """The second pass, over the same rows."""
        if self.rows == 0:
            raise ValueError("there is no row in the data")
        empty = {name: self._feature(name, column) for name, column in self._columns.items()}
        features = {name: feature for name, feature in empty.items() if feature is not None}
        binnings = {name: Binning.of(feature) for name, feature in features.items()}
        counts = {name: [0] * len(binning.labels) for name, binning in binnings.items()}
        for row in rows:
            for name, binning in binnings.items():
                counts[name][binning.assign(row.get(name))] += 1
        counted = [self._counted(features[name], binnings[name], counts[name]) for name in features]
        return Reference(
            rows=self.rows,
            dataset=dataset,
            inputs=tuple(one for one in counted if one.name not in self._outputs),
            outputs=tuple(one for one in counted if one.name in self._outputs),
        )

    @property
    def left_out(self) -> list[str]:
        """Columns that have no spread worth keeping: points in time, and what is no value at all."""
        return [name for name, column in self._columns.items() if self._spread(name, column) is None]

    def _counted(self, feature: FeatureReference, binning: Binning, counts: list[int]) -> FeatureReference:
        ratios = tuple(round(count / self.rows, 6) for count in counts)
        missing = ratios[binning.labels.index(MISSING)]
        return feature.model_copy(update={"ratios": ratios[: feature.bins], "missing_ratio": missing})

    def _feature(self, name: str, column: Column) -> FeatureReference | None:
        """With its bins, and nothing counted yet."""
        match self._spread(name, column):
            case Spread.NUMBER:
                values = sorted(column.sample)
                edges = _edges(values, low=column.low, high=column.high, bins=self._bins) if values else ()
                return _empty(name, Spread.NUMBER, edges=edges)
            case Spread.TEXT:
                lengths = sorted(float(one) for one in column.lengths.elements())
                return _empty(
                    name, Spread.TEXT, edges=_edges(lengths, low=lengths[0], high=lengths[-1], bins=self._bins)
                )
            case Spread.CATEGORY:
                known = self._words(name, column)
                return _empty(
                    name,
                    Spread.CATEGORY,
                    categories=tuple(one[:120] for one in known[:MAX_COMMON]),
                    rare=tuple(one[:120] for one in known[MAX_COMMON : MAX_COMMON + MAX_RARE]),
                )
            case None:
                return None

    def _spread(self, name: str, column: Column) -> Spread | None:
        kind = self._types.get(name)
        if kind is not None and kind.family is Family.TIME:
            return None
        if kind is DataType.CATEGORY or (kind is not None and kind.family is Family.BOOL):
            return Spread.CATEGORY
        if kind is not None and kind.numeric:
            return Spread.NUMBER
        if column.numbers and not column.texts and kind is None:
            return Spread.NUMBER
        if not column.values:
            return Spread.NUMBER if column.rows == column.missing else None
        words = self._words(name, column)
        unlisted = 1 - sum(column.values[word] for word in words) / column.lengths.total()
        few = len(words) <= MAX_COMMON + MAX_RARE and unlisted <= _MOST_UNLISTED
        return Spread.CATEGORY if few else Spread.TEXT

    def _words(self, name: str, column: Column) -> list[str]:
        """Those that may be listed, the most common first."""
        declared = self._types.get(name) in (DataType.CATEGORY, DataType.BOOL, DataType.V2_BOOL)
        return [word for word, rows in column.values.most_common() if declared or rows >= _LEAST_ROWS]


def _empty(
    name: str,
    spread: Spread,
    *,
    edges: tuple[float, ...] = (),
    categories: tuple[str, ...] = (),
    rare: tuple[str, ...] = (),
) -> FeatureReference:
    bins = len(categories) + bool(rare) if spread is Spread.CATEGORY else max(0, len(edges) - 1)
    return FeatureReference(
        name=name, spread=spread, edges=edges, categories=categories, rare=rare, ratios=(0.0,) * bins
    )


def _sample_of(lengths: Counter[int]) -> list[float]:
    """Each length as often as it stands to the others, in order."""
    part = max(1, lengths.total() // SAMPLE)
    return [float(length) for length in sorted(lengths) for _ in range(math.ceil(lengths[length] / part))]


def _edges(values: Sequence[float], *, low: float, high: float, bins: int) -> tuple[float, ...]:
    """Between quantiles of sorted values; of few different ones, between each two."""
    if low == high:
        return (low, high)
    distinct = sorted({*values, low, high})
    if len(distinct) <= min(bins, _FEW_VALUES):
        inner = [(left + right) / 2 for left, right in pairwise(distinct)]
    else:
        inner = [_rounded(values[len(values) * place // bins]) for place in range(1, bins)]
    return (low, *sorted({one for one in inner if low < one < high}), high)


def _rounded(value: float) -> float:
    """Six digits are enough for a bound between bins, and are read more easily."""
    return float(f"{value:.6g}")
