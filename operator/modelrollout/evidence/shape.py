"""Evidence from how requests are spread: candidate against live at every edge, in one direction or in both.

**Harm.** The null says that at no edge the candidate has more than `ratio * F_s + tolerate` of its requests beyond it
(with `both`: nor fewer than the mirror image allows; with ratio 1 that is a Kolmogorov-Smirnov distance of at most
`tolerate`). At each edge and in each direction the requests are a pair of counts, so `harm` gives an e-value. Their
mean is an e-value too, whatever holds them together (Vovk and Wang 2021; Markov's inequality needs nothing but the
expectation), and it loses at most ln(number of bets on edges) against the best edge in hindsight. One request lies
beyond several edges at once: that dependence is between edges, not between requests, and costs nothing.

**Safety.** The candidate is safe when it is safe at every edge by itself. A harmful candidate is beyond the margin at
some edge, and that edge lets it pass with probability falsePromotion at most: an intersection of tests, no share to be
split. The upper bound is the largest of the edges' own.

Harm's bets on "fewer beyond" are those on "more within": the same formula with n - x in place of x. For safety each
direction can be said in two ways, "the candidate has x more beyond" and "the live version has x more within", and the
same formula bounds either. It learns fast where a rate is small and slowly where it is near one, so each interval is
judged by the way whose rate was the smaller one before it. A choice that rests on the past alone changes nothing about
the proof, and a bin that nobody is ever in costs no requests. With a ratio other than 1 there is one way only.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from modelrollout.evidence import demands, harm, record, safety
from modelrollout.evidence.bins import MAX_EDGES, Bins, Spread
from modelrollout.evidence.counts import Counts, Interval
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.logs import log, log_add, log_mean

KIND = "Shape"
_LEAST_REQUESTS = 1e-6
_NOTHING = (-math.inf,) * len(harm.BETS)
_ZEROS = (0.0,) * len(safety.BETS)
_KEYS = (
    "kind",
    "plannedIntervals",
    "intervals",
    "phi",
    "both",
    "edges",
    "harmLogs",
    "safetyLogs",
    "safetySlopes",
    "requests",
    "beyond",
    "history",
    "pending",
    "carried",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapePolicy:
    """Margins are fractions of all requests, at every edge; `both` also forbids fewer beyond it."""

    name: str
    tolerate: float
    promote_within: float
    ratio: float = 1.0
    both: bool = False
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ratio) and self.ratio > 0):
            raise EvidenceError(f"Gate {self.name}: the ratio must be a number above 0, not {self.ratio}.")
        if self.both and self.ratio != 1:
            raise EvidenceError(f"Gate {self.name}: in both directions the ratio must be 1, not {self.ratio}.")
        demands.margins(self.name, tolerate=self.tolerate, promote_within=self.promote_within, most=1)
        demands.weight(self.name, self.weight)


@dataclass(frozen=True, slots=True)
class Safety:
    """Sums of the safety bets in one direction, as `safety.log_factor` gives them: constant parts and slopes."""

    logs: tuple[float, ...] = _ZEROS
    slopes: tuple[float, ...] = _ZEROS

    def with_interval(self, interval: Interval, *, ratio: float) -> "Safety":
        factors = [safety.log_factor(bet, ratio=ratio, interval=interval) for bet in safety.BETS]
        return Safety(
            logs=tuple(kept + constant for kept, (constant, _) in zip(self.logs, factors, strict=True)),
            slopes=tuple(kept + slope for kept, (_, slope) in zip(self.slopes, factors, strict=True)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What is known at one edge: stakes on more and on fewer beyond it, safety in either direction, and totals."""

    more: tuple[float, ...] = _NOTHING
    fewer: tuple[float, ...] = ()
    not_more: Safety = Safety()
    not_fewer: Safety = Safety()
    candidate: float = 0.0
    stable: float = 0.0
    history: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeEvidence:
    """What one gate has seen. The edges are those of the first interval; an interval that lacks one is not judged."""

    planned_intervals: int
    phi: float = 1.0
    both: bool = False
    intervals: int = 0
    edges: Mapping[str, Edge] = field(default_factory=dict)
    candidate_total: float = 0.0
    stable_total: float = 0.0
    history_total: float = 0.0
    pending: Spread = field(default_factory=lambda: Spread(candidate=Bins(), stable=Bins()))
    carried: float | None = None

    def __post_init__(self) -> None:
        demands.intervals(planned=self.planned_intervals, phi=self.phi)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values; logs are rounded down, as those of `GateEvidence`."""
        known = list(self.edges.values())
        return {
            "kind": KIND,
            "plannedIntervals": self.planned_intervals,
            "intervals": self.intervals,
            "phi": self.phi,
            "both": self.both,
            "edges": list(self.edges),
            "harmLogs": [[record.floor(value) for value in (*edge.more, *edge.fewer)] for edge in known],
            "safetyLogs": [[record.floor(value) for one in self._safety(edge) for value in one.logs] for edge in known],
            "safetySlopes": [
                [record.floor(value) for one in self._safety(edge) for value in one.slopes] for edge in known
            ],
            "requests": [record.short(value) for value in self._totals()],
            "beyond": [[record.short(value) for value in (edge.candidate, edge.stable)] for edge in known],
            "history": [record.short(edge.history) for edge in known],
            "pending": [_stored_bins(self.pending.candidate), _stored_bins(self.pending.stable)],
            "carried": None if self.carried is None else record.ceiling(self.carried),
        }

    def _safety(self, edge: Edge) -> tuple[Safety, ...]:
        return (edge.not_more, edge.not_fewer) if self.both else (edge.not_more,)

    def _totals(self) -> tuple[float, float, float]:
        return self.candidate_total, self.stable_total, self.history_total

    @classmethod
    def from_dict(cls, stored: object) -> "ShapeEvidence":
        fields = record.check_keys(stored, keys=_KEYS)
        both = record.truth(fields["both"], field="both")
        names = record.texts(fields["edges"], field="edges", most=MAX_EDGES)
        bets = len(harm.BETS) * (2 if both else 1)
        logs = record.rows(fields["harmLogs"], field="harmLogs", rows=len(names), length=bets)
        length = len(safety.BETS) * (2 if both else 1)
        sums = record.rows(fields["safetyLogs"], field="safetyLogs", rows=len(names), length=length)
        slopes = record.rows(fields["safetySlopes"], field="safetySlopes", rows=len(names), length=length)
        beyond = record.rows(fields["beyond"], field="beyond", rows=len(names), length=2)
        history = record.numbers(fields["history"], field="history", length=len(names))
        requests = record.numbers(fields["requests"], field="requests", length=3)
        carried = fields["carried"]
        return cls(
            planned_intervals=record.whole(fields["plannedIntervals"], field="plannedIntervals", least=1),
            phi=record.number(fields["phi"], field="phi"),
            both=both,
            intervals=record.whole(fields["intervals"], field="intervals", least=0),
            edges={
                name: Edge(
                    more=logs[row][: len(harm.BETS)],
                    fewer=logs[row][len(harm.BETS) :],
                    not_more=Safety(sums[row][: len(safety.BETS)], slopes[row][: len(safety.BETS)]),
                    not_fewer=Safety(sums[row][-len(safety.BETS) :], slopes[row][-len(safety.BETS) :])
                    if both
                    else Safety(),
                    candidate=beyond[row][0],
                    stable=beyond[row][1],
                    history=history[row],
                )
                for row, name in enumerate(names)
            },
            candidate_total=requests[0],
            stable_total=requests[1],
            history_total=requests[2],
            pending=_read_spread(fields["pending"]),
            carried=None if carried is None else record.number(carried, field="carried"),
        )


def _stored_bins(bins: Bins) -> dict[str, object]:
    return {"edges": list(bins.edges), "requests": [record.short(value) for value in (bins.total, *bins.beyond)]}


def _read_spread(stored: object) -> Spread:
    if not isinstance(stored, list) or len(stored) != 2:
        raise EvidenceError("Stored evidence must have a list of two arms as pending.")
    candidate, stable = (_read_bins(arm) for arm in stored)
    return Spread(candidate=candidate, stable=stable)


def _read_bins(stored: object) -> Bins:
    fields = record.check_keys(stored, keys=("edges", "requests"))
    edges = record.texts(fields["edges"], field="pending edges", most=MAX_EDGES)
    total, *beyond = record.numbers(fields["requests"], field="pending requests", length=1 + len(edges))
    return Bins(edges, total, tuple(beyond))


def start(policy: ShapePolicy, *, planned_intervals: int, phi: float = 1.0) -> ShapeEvidence:
    return ShapeEvidence(planned_intervals=planned_intervals, phi=phi, both=policy.both)


def update(evidence: ShapeEvidence, policy: ShapePolicy, spread: Spread) -> ShapeEvidence:
    """Add one interval; one arm without requests waits for the other, as in `gate.update`."""
    merged = evidence.pending + spread
    if merged.candidate.total < _LEAST_REQUESTS or merged.stable.total < _LEAST_REQUESTS:
        return evidence if spread == _EMPTY else replace(evidence, pending=merged)
    shared = tuple(edge for edge in merged.candidate.edges if edge in merged.stable.edges)[:MAX_EDGES]
    edges = tuple(evidence.edges) or shared
    if not edges or not set(edges) <= set(shared):
        return replace(evidence, pending=_EMPTY)
    return replace(
        evidence,
        intervals=evidence.intervals + 1,
        edges={edge: _judged(evidence, policy, merged, edge) for edge in edges},
        candidate_total=evidence.candidate_total + merged.candidate.total,
        stable_total=evidence.stable_total + merged.stable.total,
        pending=_EMPTY,
    )


_EMPTY = Spread(candidate=Bins(), stable=Bins())


def _judged(evidence: ShapeEvidence, policy: ShapePolicy, spread: Spread, name: str) -> Edge:
    """One edge with one interval added."""
    edge = evidence.edges.get(name) or Edge(fewer=_NOTHING if evidence.both else ())
    stake = log(
        harm.invested(evidence.intervals + 1, planned=evidence.planned_intervals)
        - harm.invested(evidence.intervals, planned=evidence.planned_intervals)
    )
    interval = Interval(candidate=spread.candidate.at(name), stable=spread.stable.at(name))
    seen = Counts(
        total=evidence.history_total + evidence.stable_total,
        bad=min(edge.history + edge.stable, evidence.history_total + evidence.stable_total),
    )

    def staked(kept: tuple[float, ...], guess: float, interval: Interval) -> tuple[float, ...]:
        return tuple(
            log_add(before, stake)
            + harm.log_factor(bet, ratio=policy.ratio, tolerate=policy.tolerate, guess=guess, interval=interval)
            / evidence.phi
            for bet, before in zip(harm.BETS, kept, strict=True)
        )

    guess, within = harm.guess_rate(seen), _within(interval)
    return Edge(
        more=staked(edge.more, guess, interval),
        fewer=staked(edge.fewer, 1 - guess, within) if evidence.both else (),
        not_more=edge.not_more.with_interval(_rarer(policy, guess, interval, _exchanged(within)), ratio=policy.ratio),
        not_fewer=edge.not_fewer.with_interval(_rarer(policy, guess, _exchanged(interval), within), ratio=policy.ratio)
        if evidence.both
        else Safety(),
        candidate=edge.candidate + interval.candidate.bad,
        stable=edge.stable + interval.stable.bad,
        history=edge.history,
    )


def _rarer(policy: ShapePolicy, guess: float, beyond: Interval, within: Interval) -> Interval:
    """The way of saying it that is about the rarer of the two."""
    return beyond if policy.ratio != 1 or guess <= 0.5 else within


def _exchanged(interval: Interval) -> Interval:
    return Interval(candidate=interval.stable, stable=interval.candidate)


def _within(interval: Interval) -> Interval:
    return Interval(candidate=_rest(interval.candidate), stable=_rest(interval.stable))


def _rest(counts: Counts) -> Counts:
    return Counts(total=counts.total, bad=max(0.0, counts.total - counts.bad))


def discard_pending(evidence: ShapeEvidence) -> ShapeEvidence:
    return replace(evidence, pending=_EMPTY)


def retried(evidence: ShapeEvidence) -> ShapeEvidence:
    """As `gate.retried`: the stakes stay, safety is earned anew."""
    return replace(
        evidence,
        edges={
            name: replace(
                edge,
                not_more=Safety(),
                not_fewer=Safety(),
                candidate=0.0,
                stable=0.0,
                history=edge.history + edge.stable,
            )
            for name, edge in evidence.edges.items()
        },
        candidate_total=0.0,
        stable_total=0.0,
        history_total=evidence.history_total + evidence.stable_total,
        pending=_EMPTY,
        carried=log_harm(evidence),
    )


def log_harm(evidence: ShapeEvidence) -> float:
    """ln of the mean of all stakes: those in play, and the rest that is not yet."""
    if not evidence.edges:
        return 0.0
    rest = log(1 - harm.invested(evidence.intervals, planned=evidence.planned_intervals))
    return log_add(log_mean(log_mean(stakes) for _, stakes in _stakes(evidence)), rest)


def _stakes(evidence: ShapeEvidence) -> Iterator[tuple[str, tuple[float, ...]]]:
    for name, edge in evidence.edges.items():
        yield name, edge.more
        if edge.fewer:
            yield name, edge.fewer


def worst(evidence: ShapeEvidence) -> str | None:
    """The edge with the most evidence of harm."""
    if not evidence.edges:
        return None
    # By the largest stake: it is within ln 7 of their mean, and this only names what is shown.
    return max(_stakes(evidence), key=lambda stakes: max(stakes[1]))[0]


def _directions(evidence: ShapeEvidence) -> Iterator[tuple[str, Safety]]:
    """Every edge by its name, in every direction."""
    for name, edge in evidence.edges.items():
        yield name, edge.not_more
        if evidence.both:
            yield name, edge.not_fewer


def _least(evidence: ShapeEvidence, policy: ShapePolicy) -> tuple[str, tuple[float, ...]]:
    """ln E_safe of each bet, at the edge and in the direction that has earned least, and that edge's name."""
    margin = policy.promote_within
    earned = (
        (name, safety.sums_at(margin, constants=known.logs, slopes=known.slopes))
        for name, known in _directions(evidence)
    )
    divided = ((name, tuple(value / evidence.phi for value in sums)) for name, sums in earned)
    return min(divided, key=lambda found: log_mean(found[1]), default=("", _ZEROS))


def safety_sums(evidence: ShapeEvidence, policy: ShapePolicy) -> tuple[float, ...]:
    """Of the edge that has earned least; zeros while nothing is known."""
    return _least(evidence, policy)[1]


def least_safe(evidence: ShapeEvidence, policy: ShapePolicy) -> str | None:
    """The edge that a promotion waits for."""
    return _least(evidence, policy)[0] or None


def log_safety(evidence: ShapeEvidence, policy: ShapePolicy) -> float:
    return log_mean(safety_sums(evidence, policy))


def upper_bound(evidence: ShapeEvidence, *, false_promotion: float) -> float:
    """The largest of the edges' bounds. An edge that is refuted at the largest so far need not be solved."""
    if not evidence.edges:
        return 1.0
    line = math.log(1 / false_promotion)
    bound = 0.0
    for _, known in _directions(evidence):
        constants = tuple(value / evidence.phi for value in known.logs)
        slopes = tuple(value / evidence.phi for value in known.slopes)
        if safety.log_evidence(constants=constants, slopes=slopes, excess=bound) < line:
            bound = safety.upper_bound(constants=constants, slopes=slopes, false_promotion=false_promotion)
    return bound
