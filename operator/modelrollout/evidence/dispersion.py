"""How much more the requests of one pod vary than independent requests would: the divisor phi of all evidence.

The bets of `harm` and `safety` believe that each request fails by itself. Real ones fail together: a client retries, a
node is slow, a pod has a bad minute. Then an arm of few pods looks worse or better than it is, and evidence grows too
fast. How much too fast is read off the stable pods before the rollout. They all run the same version, so each of them
in turn plays the candidate against all; whatever they differ by more than by chance is what a harmless candidate may
differ by as well.

**One block** of time: a pod had m requests and x bad ones, all pods together N and a share theta of bad ones, so
e = m * theta were expected. If requests were independent, (x - e)^2 would be e (1 - theta) (1 - m / N) on average. phi
is the sum of the first over all pods and blocks, divided by the sum of the second. (The mean of the single quotients
would give a block with one error, which can tell nothing, the same say as a burst of twenty.) Whatever hits all pods
at once moves theta and not phi.

**Length.** What lasts for minutes is small in each interval and adds up. So blocks of 1, 4 and 16 intervals are judged,
and the largest phi counts.

**Little history.** A value below 1.5 is drawn towards it, as if five blocks had shown that, and none is below 1: a
quiet history is no licence. A value above is kept: three bursts are few, and yet there are bursts. (Drawing it down as
well gave up to 7 % false rollbacks for a stated 1 % where history was half an hour long; keeping it costs nothing where
requests are independent.) Below the least history phi is 1.5, and `reason` says why.

With phi > 1, E[L^(1/phi)] <= 1 follows from E[L] <= 1, so dividing never voids a guarantee. That it restores one under
dependent requests is exact to second order only (quasi-likelihood; Wedderburn 1974), and it cannot know what history
does not show.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelrollout.evidence.counts import Counts

PRIOR = 1.5
LEAST_INTERVALS = 16
LEAST_BAD = 2.0

_BLOCK_LENGTHS = (1, 4, 16)  # in intervals; each a multiple of the one before
_PSEUDO_BLOCKS = 5.0
_NONE = Counts()

_Block = Mapping[str, tuple[float, float]]  # requests and bad requests of each pod


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDispersion:
    """What blocks of one length show. `informative` blocks had bad requests; only they count."""

    intervals_per_block: int
    informative: int
    observed: float
    expected: float

    @property
    def phi(self) -> float:
        ratio = self.observed / self.expected if self.expected > 0 else 0.0
        return max(ratio, (self.informative * ratio + _PSEUDO_BLOCKS * PRIOR) / (self.informative + _PSEUDO_BLOCKS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """The phi to judge with, and what it rests on. `reason` says why it is only the prior, where it is."""

    phi: float
    blocks: tuple[BlockDispersion, ...] = ()
    pods: int = 0
    intervals: int = 0
    history: Counts = _NONE
    reason: str | None = None

    def __str__(self) -> str:
        if self.reason:
            return f"phi {self.phi:g} by default: {self.reason}"
        return (
            f"phi {self.phi:.2f} from {self.intervals} intervals of {self.pods} pods with {self.history.bad:.0f} bad "
            f"of {self.history.total:.0f} requests"
        )


class StableHistory:
    """Takes in what each stable pod served, interval by interval in order of time, and keeps sums only."""

    def __init__(self) -> None:
        self._lengths = tuple(_Length(length) for length in _BLOCK_LENGTHS)
        self._pods: set[str] = set()
        self._intervals = 0

    def add(self, interval: Mapping[str, Counts]) -> None:
        self._intervals += 1
        self._pods.update(interval)
        block: _Block = {pod: (counts.total, counts.bad) for pod, counts in interval.items()}
        for length in self._lengths:
            whole = length.add(block, self._intervals)
            if whole is None:
                return
            block = whole

    def dispersion(self) -> Dispersion:
        """As of now; a block that has only begun is left out."""
        blocks = tuple(length.so_far() for length in self._lengths)
        total = Counts(total=self._lengths[0].total, bad=self._lengths[0].bad)
        reason = self._too_little(total)
        return Dispersion(
            phi=PRIOR if reason else max(1.0, *(block.phi for block in blocks)),
            blocks=blocks,
            pods=len(self._pods),
            intervals=self._intervals,
            history=total,
            reason=reason,
        )

    def _too_little(self, total: Counts) -> str | None:
        if not self._intervals:
            return "there is no history of the stable pods"
        if len(self._pods) < 2:
            return "the history has fewer than two stable pods to compare"
        if self._intervals < LEAST_INTERVALS:
            return f"the history has {self._intervals} intervals, and {LEAST_INTERVALS} are needed"
        if total.bad < LEAST_BAD:
            return f"the history has {total.bad:g} bad requests, and {LEAST_BAD:g} are needed"
        return None


def dispersion(history: Iterable[Mapping[str, Counts]]) -> Dispersion:
    """phi from what each stable pod served in each interval before the rollout, oldest first."""
    taken = StableHistory()
    for interval in history:
        taken.add(interval)
    return taken.dispersion()


class _Length:
    """The sums over blocks of one length, and the block that is being filled."""

    def __init__(self, intervals: int) -> None:
        self._intervals = intervals
        self._filling: dict[str, tuple[float, float]] = {}
        self._informative = 0
        self._observed = 0.0
        self._expected = 0.0
        self.total = 0.0
        self.bad = 0.0

    def add(self, part: _Block, intervals: int) -> _Block | None:
        """The whole block, where `part` was the last of it."""
        if self._intervals == 1:
            self._compare(part)
            return part
        filling = self._filling
        for pod, (total, bad) in part.items():
            before = filling.get(pod, (0.0, 0.0))
            filling[pod] = (before[0] + total, before[1] + bad)
        if intervals % self._intervals:
            return None
        self._compare(filling)
        self._filling = {}
        return filling

    def so_far(self) -> BlockDispersion:
        return BlockDispersion(
            intervals_per_block=self._intervals,
            informative=self._informative,
            observed=self._observed,
            expected=self._expected,
        )

    def _compare(self, block: _Block) -> None:
        total = sum(counts[0] for counts in block.values())
        bad = sum(counts[1] for counts in block.values())
        self.total += total
        self.bad += bad
        if not 0 < bad < total:
            return
        theta = bad / total
        observed = expected = 0.0
        for requests, bad_ones in block.values():
            mean = requests * theta
            observed += (bad_ones - mean) ** 2
            expected += mean * (1 - theta) * (1 - requests / total)
        if expected > 0:
            self._informative += 1
            self._observed += observed
            self._expected += expected
