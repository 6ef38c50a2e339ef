"""How the requests of one arm are spread: of so many, so many lie beyond each edge.

An edge is a bucket bound ("slower than 250 ms", "score above 0.7") or one bin of a set without an order ("answered
class b"): either way each request is beyond it or not, so every edge by itself is a pair of counts, and all that is
proved of counts holds of it.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from modelrollout.evidence.counts import Counts
from modelrollout.evidence.errors import EvidenceError

MAX_EDGES = 40
"""More would cost more than they tell: the mean of so many e-values starts with a fortieth for each."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Requests of one arm; `beyond` has one number for each of `edges`."""

    edges: tuple[str, ...] = ()
    total: float = 0.0
    beyond: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.beyond):
            raise EvidenceError(f"There are {len(self.edges)} edges but {len(self.beyond)} numbers.")
        if not all(math.isfinite(number) and number >= 0 for number in (self.total, *self.beyond)):
            raise EvidenceError(f"Requests and those beyond an edge must be numbers from 0 on, not {self}.")
        object.__setattr__(self, "beyond", tuple(min(number, self.total) for number in self.beyond))

    def __add__(self, other: "Bins") -> "Bins":
        """Of the edges that both have; nothing at all has every edge."""
        if not self.total and not self.edges:
            return other
        if not other.total and not other.edges:
            return self
        mine, theirs = self.by_edge(), other.by_edge()
        common = tuple(edge for edge in self.edges if edge in theirs)
        return Bins(common, self.total + other.total, tuple(mine[edge] + theirs[edge] for edge in common))

    def by_edge(self) -> dict[str, float]:
        return dict(zip(self.edges, self.beyond, strict=True))

    def at(self, edge: str) -> Counts:
        """The pair of counts of one edge."""
        return Counts(total=self.total, bad=self.by_edge()[edge])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Both arms over the same stretch of time: what an `Interval` is for counts."""

    candidate: Bins
    stable: Bins

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(candidate=self.candidate + other.candidate, stable=self.stable + other.stable)


def difference_of_bins(
    *,
    previous: Mapping[str, Bins],
    current: Mapping[str, Bins],
    started_since: Collection[str] = (),
    new_edges_were_empty: bool = False,
) -> Bins:
    """As `counters.difference`, pod by pod. A pod whose edges are others than before gives a baseline only, unless an
    edge appears with the first request beyond it, as bins of a set do.
    """
    total = Bins()
    for pod, now in current.items():
        before = previous.get(pod)
        if before is None:
            if pod not in started_since:
                continue
            known = dict.fromkeys(now.edges, 0.0)
            served_before = 0.0
        else:
            known, served_before = before.by_edge(), before.total
            if new_edges_were_empty:
                known = {edge: known.get(edge, 0.0) for edge in now.edges}
            if known.keys() != set(now.edges):
                continue
        if now.total < served_before or any(new < known[edge] for edge, new in zip(now.edges, now.beyond, strict=True)):
            known, served_before = dict.fromkeys(now.edges, 0.0), 0.0
        grown = tuple(new - known[edge] for edge, new in zip(now.edges, now.beyond, strict=True))
        total = total + Bins(now.edges, now.total - served_before, grown)
    return total
