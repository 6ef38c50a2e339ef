"""How much requests that come together are alike, learnt while evidence is gathered: a phi for what has no history.

`dispersion` reads phi off the live version's pods before a rollout. Pairs of answers have no such past: nobody compared
them before. So phi is estimated from the intervals that were judged, and divides only those that come after. A factor
L^(1/phi) with a phi from 1 on that was known before the interval keeps E <= 1 (Jensen), whatever phi says; so learning
it on the way costs no guarantee where requests are independent, and restores one, to second order, where they are not.

x bad ones of n in each of K blocks, share theta of all: independent requests give sum (x - n theta)^2 / n an
expectation of theta (1 - theta) (K - 1). phi is the ratio of the two (Pearson), at blocks of 1, 4 and 16 intervals,
drawn towards 3 while little is known: twice what `dispersion` assumes, because the first requests of a rollout decide
most, and nothing is known of them yet. A rate that really moves over the rollout counts as dispersion as well: evidence
then grows more slowly, never faster.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from modelrollout.evidence.counts import Counts

PRIOR = 3.0

_LENGTHS = (1, 4, 16)  # in intervals
_PSEUDO_BLOCKS = 5.0
ROW = 7
"""Numbers that one length is stored as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """Sums over whole blocks of one length, and the block that is being filled. `informative` ones had bad requests."""

    whole: int = 0
    informative: int = 0
    total: float = 0.0
    bad: float = 0.0
    squares: float = 0.0
    filled: int = 0
    filling: Counts = field(default_factory=Counts)

    def add(self, counts: Counts, *, length: int) -> "_Blocks":
        block = self.filling + counts
        if self.filled + 1 < length:
            return replace(self, filled=self.filled + 1, filling=block)
        return _Blocks(
            whole=self.whole + 1,
            informative=self.informative + (block.bad > 0),
            total=self.total + block.total,
            bad=self.bad + block.bad,
            squares=self.squares + block.bad * block.bad / block.total,
        )

    @property
    def phi(self) -> float:
        if self.whole < 2 or not 0 < self.bad < self.total:
            return PRIOR
        share = self.bad / self.total
        expected = share * (1 - share) * (self.whole - 1)
        ratio = max(0.0, self.squares - self.bad * share) / expected
        return max(ratio, (self.informative * ratio + _PSEUDO_BLOCKS * PRIOR) / (self.informative + _PSEUDO_BLOCKS))

    def row(self) -> list[float]:
        counts = (self.whole, self.informative, self.total, self.bad, self.squares)
        return [*counts, *((self.filling.total, self.filling.bad) if self.filled else (0.0, 0.0))]


@dataclass(frozen=True, slots=True)
class Bursts:
    """What the intervals so far have shown; `intervals` of them."""

    intervals: int = 0
    _lengths: tuple[_Blocks, ...] = field(default=(_Blocks(),) * len(_LENGTHS))

    @property
    def phi(self) -> float:
        return max(1.0, *(blocks.phi for blocks in self._lengths))

    def add(self, counts: Counts) -> "Bursts":
        """One interval that had requests."""
        added = (blocks.add(counts, length=length) for blocks, length in zip(self._lengths, _LENGTHS, strict=True))
        return Bursts(self.intervals + 1, tuple(added))

    def rows(self) -> list[list[float]]:
        return [blocks.row() for blocks in self._lengths]

    @classmethod
    def of_rows(cls, intervals: int, rows: Sequence[Sequence[float]]) -> "Bursts":
        """What `rows` gave, after so many intervals."""
        return cls(
            intervals,
            tuple(
                _Blocks(
                    whole=int(row[0]),
                    informative=int(row[1]),
                    total=row[2],
                    bad=row[3],
                    squares=row[4],
                    filled=intervals % length,
                    filling=Counts(total=row[5], bad=row[6]),
                )
                for row, length in zip(rows, _LENGTHS, strict=True)
            ),
        )
