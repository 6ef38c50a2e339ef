"""One gate of a replayed rollout: which edges of its rows are judged, and what they have shown."""

import math
from dataclasses import dataclass

from modelrollout.api.base import seconds
from modelrollout.api.gates import Gate, Signal
from modelrollout.cli.errors import CliError
from modelrollout.cli.trace import Pod, Row
from modelrollout.evidence import Counts, GateEvidence, GatePolicy, Interval, log_harm, start, update
from modelrollout.evidence.dispersion import Dispersion, StableHistory
from modelrollout.evidence.histogram import at_edges
from modelrollout.evidence.logs import log_sum
from modelrollout.plan.policies import REQUEST_SIGNALS, counts_policy

_BOUND_TOLERANCE = 1e-9  # relative; 0.25 against 250 ms


@dataclass(slots=True)
class Edge:
    """One line that is judged: the gate, or the gate at one edge of its histogram."""

    index: int
    policy: GatePolicy
    evidence: GateEvidence
    excess_errors: float = 0.0

    @property
    def part(self) -> float:
        """ln of its share in the joint evidence of harm, up to a constant."""
        return math.log(self.policy.weight) + log_harm(self.evidence)

    def add(self, row: Row) -> None:
        interval = Interval(candidate=_sum(row.candidate, self.index), stable=_sum(row.stable, self.index))
        before = self.evidence
        self.evidence = update(before, self.policy, interval)
        merged = before.pending + interval  # what was just judged, where it was
        if self.evidence.intervals > before.intervals and merged.stable.total > 0:
            usual = merged.stable.bad / merged.stable.total
            self.excess_errors += merged.candidate.bad - merged.candidate.total * usual


@dataclass(frozen=True, slots=True)
class _Shape:
    """What all rows of a gate in one run have in common."""

    histogram: bool
    edges: int
    bounds: tuple[float, ...] | None


class GateUnderTest:
    """A gate of the policy in one run. `seen` is whether it had rows since the rollout began."""

    def __init__(self, gate: Gate) -> None:
        self.name = gate.name
        self.seen = False
        self.edges: list[Edge] = []
        if gate.signal not in REQUEST_SIGNALS:
            raise CliError(f"gate {gate.name}: {gate.signal} counts no requests, so a trace of them cannot show it.")
        self._policy = counts_policy(gate)
        self._signal = gate.signal
        self._over_seconds = seconds(gate.over) if gate.over else None
        self._shape: _Shape | None = None
        self._indices: tuple[int, ...] = ()
        self._histories: tuple[StableHistory, ...] = ()

    def check(self, row: Row) -> None:
        """The first row with pods tells what is judged, and all others must be of its kind."""
        if not (row.candidate or row.stable):
            return
        shape = _Shape(row.histogram, row.edges, row.bounds)
        if self._shape is None:
            self._indices = self._judged_edges(row)
            self._histories = tuple(StableHistory() for _ in self._indices)
            self._shape = shape
        elif shape != self._shape:
            row.refuse("stable", f"gate {self.name} had other buckets or bounds in an earlier row of run {row.run}")

    def _judged_edges(self, row: Row) -> tuple[int, ...]:
        """The gate's own bound where the row's bounds are known, otherwise all."""
        if not row.histogram:
            return (0,)
        if self._signal is Signal.ERRORS:
            row.refuse("stable", f"gate {self.name} counts errors and needs bad, not buckets")
        if row.bounds is None or self._over_seconds is None:
            return tuple(range(row.edges))
        over = self._over_seconds
        found = [i for i, bound in enumerate(row.bounds) if math.isclose(bound, over, rel_tol=_BOUND_TOLERANCE)]
        if not found:
            row.refuse("bounds", f"gate {self.name} is judged at {over:g} s, and no bucket ends there")
        return (found[0],)

    def add_history(self, row: Row) -> None:
        for index, history in zip(self._indices, self._histories, strict=True):
            history.add({pod.name: Counts(pod.total, pod.bad[index]) for pod in row.stable})

    def dispersions(self) -> tuple[Dispersion, ...]:
        """Edge by edge, from the rows before the rollout."""
        return tuple(history.dispersion() for history in self._histories)

    def begin(self, planned_intervals: int) -> None:
        """Phi and the guess of the stable rate are fixed before the first interval and stay."""
        if self.edges or self._shape is None:
            return
        policies = at_edges(self._policy, len(self._indices)) if self._shape.histogram else (self._policy,)
        for index, policy, known in zip(self._indices, policies, self.dispersions(), strict=True):
            evidence = start(planned_intervals=planned_intervals, phi=known.phi, history=known.history)
            self.edges.append(Edge(index=index, policy=policy, evidence=evidence))

    def add(self, row: Row) -> None:
        self.seen = True
        for edge in self.edges:
            edge.add(row)

    @property
    def part(self) -> float:
        """ln of its share in the joint evidence of harm, up to a constant."""
        return log_sum(edge.part for edge in self.edges) if self.edges else math.log(self._policy.weight)

    @property
    def excess_errors(self) -> float:
        """At the edge with most evidence of harm."""
        return max(self.edges, key=lambda edge: edge.part).excess_errors if self.edges else 0.0

    def has(self, policy_name: str) -> bool:
        """Whether that is what the judge calls this gate, or it at one of its edges."""
        return any(policy.name == policy_name for policy, _ in self.pairs)

    @property
    def pairs(self) -> list[tuple[GatePolicy, GateEvidence]]:
        """For the judge; a gate that has shown nothing is part of the judgement as well."""
        return [(edge.policy, edge.evidence) for edge in self.edges] or [(self._policy, start(planned_intervals=1))]


def _sum(pods: tuple[Pod, ...], index: int) -> Counts:
    total = math.fsum(pod.total for pod in pods)
    return Counts(total=total, bad=min(total, math.fsum(pod.bad[index] for pod in pods)))
