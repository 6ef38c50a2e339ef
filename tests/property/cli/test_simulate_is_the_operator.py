"""What `simulate` decides is what the operator's plan decides on the same readings, however the trace is written."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.api.rollout import Rollout
from modelrollout.cli.errors import CliError
from modelrollout.cli.policy import Policy
from modelrollout.cli.replay import Decision, Outcome, Run
from modelrollout.cli.trace import rows
from modelrollout.evidence import Counts, Interval, Verdict, start
from modelrollout.evidence.dispersion import PRIOR
from modelrollout.plan.gates import gathered, judged, policy_digest
from modelrollout.plan.observation import CandidateEvidence, Reading

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROLLOUT = Rollout.model_validate({"interval": "30s", "maxDuration": "10m", "stages": [{"canary": {"holdFor": "30s"}}]})
GATES = tuple(gate.name for gate in ROLLOUT.gates)
POLICY = Policy(rollout=ROLLOUT, least_seconds=30, least_requests=0)

Pods = list[dict[str, float]]


@st.composite
def pods(draw: st.DrawFn) -> Pods:
    found: Pods = []
    rate = draw(st.sampled_from([0.0, 0.001, 0.01, 0.03, 0.5]))
    for _ in range(draw(st.integers(0, 3))):
        total = draw(st.integers(0, 2000))
        found.append({"n": total, "bad": round(total * rate)})
    return found


looks = st.fixed_dictionaries({gate: st.tuples(pods(), pods()) for gate in GATES})
Looks = list[dict[str, tuple[Pods, Pods]]]


def trace(run: str, seen: Looks) -> list[dict[str, Any]]:
    return [
        {"run": run, "t": 30 * number, "gate": gate, "candidate": candidate, "stable": stable}
        for number, look in enumerate(seen, start=1)
        for gate, (candidate, stable) in look.items()
    ]


def simulated(written: Sequence[dict[str, Any]]) -> dict[str, Decision]:
    lines = (json.dumps(one).encode() for one in written)
    runs: dict[str, Run] = {}
    for row in rows(lines, source="trace"):
        runs.setdefault(row.run, Run(row.run, POLICY)).add(row)
    return {name: run.end() for name, run in runs.items()}


def arm(pods: Pods) -> Counts:
    return Counts(sum(pod["n"] for pod in pods), sum(pod["bad"] for pod in pods))


def planned(seen: Looks) -> Iterator[tuple[float, Outcome]]:
    """The operator's functions, look by look, until something is decided."""
    gates = {gate: start(planned_intervals=20, phi=PRIOR) for gate in GATES}
    evidence = CandidateEvidence(revision="r", policy=policy_digest(ROLLOUT), evaluated_at=BEGIN, gates=gates)
    t = 0.0
    for look in seen:
        t += 30
        intervals = {gate: Interval(candidate=arm(one), stable=arm(other)) for gate, (one, other) in look.items()}
        reading = Reading(at=BEGIN + timedelta(seconds=t), intervals=intervals)
        evidence = gathered(rollout=ROLLOUT, revision="r", evidence=evidence, reading=reading, split_changed_at=None)
        judgement = judged(rollout=ROLLOUT, evidence=evidence)
        if judgement.verdict is Verdict.Fail:
            yield t, Outcome.ROLLBACK
        if t >= 600:
            yield t, Outcome.HOLD
        if judgement.verdict is Verdict.Pass:
            yield t, Outcome.PROMOTE
    yield t, Outcome.HOLD


@given(st.lists(looks, min_size=1, max_size=25))
@settings(deadline=None, max_examples=150)
def test_the_decision_is_the_plan_s(seen: Looks) -> None:
    decision = simulated(trace("a", seen))["a"]
    assert (decision.t, decision.outcome) == next(planned(seen))


@given(st.lists(looks, min_size=1, max_size=8), st.lists(looks, min_size=1, max_size=8), st.data())
@settings(deadline=None, max_examples=50)
def test_mixing_runs_changes_nothing(one: Looks, other: Looks, data: st.DataObject) -> None:
    first, second = trace("a", one), trace("b", other)
    mixed: list[dict[str, Any]] = []
    left, right = iter(first), iter(second)
    order = data.draw(st.permutations([True] * len(first) + [False] * len(second)))
    for from_first in order:
        mixed.append(next(left if from_first else right))
    assert simulated(mixed) == {**simulated(first), **simulated(second)}


@given(st.lists(looks, min_size=1, max_size=12))
@settings(deadline=None, max_examples=50)
def test_how_an_arm_is_split_over_pods_changes_nothing(seen: Looks) -> None:
    merged: Looks = [
        {gate: ([vars_of(arm(one))], [vars_of(arm(other))]) for gate, (one, other) in look.items()} for look in seen
    ]
    apart, together = simulated(trace("a", seen))["a"], simulated(trace("a", merged))["a"]
    assert (apart.t, apart.outcome, apart.gate) == (together.t, together.outcome, together.gate)
    assert apart.excess_errors == pytest.approx(together.excess_errors)


def vars_of(counts: Counts) -> dict[str, float]:
    return {"n": counts.total, "bad": counts.bad}


garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["n", "bad", "buckets"]), inner),
    max_leaves=6,
)


@given(st.sampled_from(["run", "t", "gate", "candidate", "stable", "bounds"]), garbage)
@settings(deadline=None, max_examples=300)
def test_any_garbage_is_a_row_or_one_sentence(field: str, value: object) -> None:
    written = {**trace("a", [{GATES[0]: ([{"n": 5, "bad": 1}], [{"n": 5, "bad": 1}])}])[0], field: value}
    sentence = "trace, line 1"
    try:
        simulated([written])
    except CliError as error:
        sentence = str(error)
    assert sentence.startswith("trace, line 1")
    assert "\n" not in sentence
