"""Rollouts replayed: rows in, one decision a rollout out. The rules are the operator's own; only the clock is the
trace's.

A look is a time at which a rollout has rows. All gates are judged together after each, as the operator does after a
reading, with phi and the guess of the stable rate taken from the rows before the rollout.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from modelrollout.api.base import seconds
from modelrollout.api.rollout import Inconclusive
from modelrollout.cli.gate import GateUnderTest
from modelrollout.cli.policy import Policy
from modelrollout.cli.trace import Row
from modelrollout.evidence import ErrorRates, Judgement, Verdict, judge
from modelrollout.evidence.dispersion import Dispersion


class Outcome(StrEnum):
    PROMOTE = "Promote"
    ROLLBACK = "Rollback"
    HOLD = "Hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How a rollout ended; `gate` is the one that decided, or the one with most evidence of harm."""

    run: str
    outcome: Outcome
    t: float
    excess_errors: float
    gate: str


@dataclass(frozen=True, slots=True)
class Look:
    """What was known at one time."""

    t: float
    judgement: Judgement


OnLook = Callable[[Look], None]


class Run:
    """One rollout under way. Rows come in order of time; `end` gives the decision."""

    def __init__(self, name: str, policy: Policy, *, on_look: OnLook | None = None) -> None:
        rollout = policy.rollout
        self._name = name
        self._policy = policy
        self._rates = ErrorRates(
            false_rollback=rollout.error_rates.false_rollback, false_promotion=rollout.error_rates.false_promotion
        )
        self._most_seconds = seconds(rollout.max_duration)
        self._interval_seconds = seconds(rollout.interval)
        self._gates = {gate.name: GateUnderTest(gate) for gate in rollout.gates}
        self._on_look = on_look
        self._t: float | None = None
        self._looking: dict[str, Row] = {}
        self._planned: int | None = None
        self._decision: Decision | None = None

    def add(self, row: Row) -> None:
        gate = self._gates.get(row.gate)
        if gate is None:
            row.refuse("gate", f"the policy has no gate {row.gate}; it has {', '.join(self._gates)}")
        if self._t is not None and row.t < self._t:
            row.refuse("t", f"rows of a run must be in order of time, but {row.t:g} comes after {self._t:g}")
        if row.t != self._t:
            self._look()
        if row.gate in self._looking:
            row.refuse("gate", f"run {row.run} has gate {row.gate} twice at t = {row.t:g}")
        gate.check(row)
        self._t = row.t
        self._looking[row.gate] = row

    def end(self) -> Decision:
        """The decision, as far as the rows go: without one, hold."""
        self._look()
        return self._decision or self._decide(Outcome.HOLD)

    def unseen_gates(self) -> list[str]:
        """Gates of the policy that had no row since the rollout began; they let nothing pass."""
        return [name for name, gate in self._gates.items() if not gate.seen]

    def dispersions(self) -> dict[str, tuple[Dispersion, ...]]:
        """What the rows before the rollout say about each gate, edge by edge."""
        return {name: gate.dispersions() for name, gate in self._gates.items()}

    def _look(self) -> None:
        rows, self._looking = self._looking, {}
        if not rows or self._t is None or self._decision is not None:
            return
        if self._t <= 0:
            for row in rows.values():
                self._gates[row.gate].add_history(row)
            return
        # Evidence is put down in equal parts over the planned looks, so a trace with longer intervals has fewer.
        if self._planned is None:
            self._planned = max(1, round(self._most_seconds / max(self._interval_seconds, self._t)))
        for name, gate in self._gates.items():
            gate.begin(self._planned)
            if name in rows:
                gate.add(rows[name])
        judgement = judge((pair for gate in self._gates.values() for pair in gate.pairs), rates=self._rates)
        if self._on_look is not None:
            self._on_look(Look(self._t, judgement))
        self._decision = self._judged(judgement, fresh=len(rows) == len(self._gates))

    def _judged(self, judgement: Judgement, *, fresh: bool) -> Decision | None:
        """In the operator's order: harm, then time that is up, then safety."""
        t = self._t or 0.0
        if judgement.culprit is not None:
            return self._decide(Outcome.ROLLBACK, culprit=judgement.culprit)
        if t >= self._most_seconds:
            return self._decide(_INCONCLUSIVE[self._policy.rollout.on_inconclusive])
        requests = min(gate.candidate.total for gate in judgement.gates)
        passed = t >= self._policy.least_seconds and requests >= self._policy.least_requests
        if judgement.verdict is Verdict.Pass and fresh and passed:
            return self._decide(Outcome.PROMOTE)
        return None

    def _decide(self, outcome: Outcome, *, culprit: str | None = None) -> Decision:
        gates = [gate for gate in self._gates.values() if culprit is None or gate.has(culprit)]
        worst = max(gates, key=lambda gate: gate.part)
        return Decision(
            run=self._name, outcome=outcome, t=self._t or 0, excess_errors=worst.excess_errors, gate=worst.name
        )


_INCONCLUSIVE = {
    Inconclusive.PAUSE: Outcome.HOLD,
    Inconclusive.ROLLBACK: Outcome.ROLLBACK,
    Inconclusive.PROMOTE: Outcome.PROMOTE,
}
