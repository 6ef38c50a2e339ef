"""`kubectl model simulate`, from files to the printed decisions."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from modelrollout.cli.main import main
from tests.unit.cli.traces import LATENCY, POLICY, Simulate, bad, good, past, row


def test_a_good_and_a_bad_run(simulate: Simulate) -> None:
    mixed = [*past(run="good"), *past(run="bad")]
    for one, other in zip(good(run="good"), bad(run="bad"), strict=True):
        mixed += [one, other]
    promoted, rolled_back = simulate(mixed)
    assert (promoted["run"], promoted["decision"], promoted["gate"]) == ("good", "Promote", "errors")
    assert promoted["excess_errors"] == 0
    assert (rolled_back["run"], rolled_back["decision"], rolled_back["gate"]) == ("bad", "Rollback", "errors")
    assert rolled_back["excess_errors"] == rolled_back["t"] / 30 * 50
    assert list(rolled_back) == ["run", "decision", "t", "excess_errors", "gate"]


def test_runs_come_in_the_order_of_their_first_row(simulate: Simulate) -> None:
    rows = [row(30, run="z"), row(30, run="b"), row(30, run="ä"), row(60, run="b"), row(60, run="z")]
    assert [decision["run"] for decision in simulate(rows)] == ["z", "b", "ä"]


def test_a_short_trace_is_on_hold(simulate: Simulate) -> None:
    assert simulate(good(2)) == [{"run": "a", "decision": "Hold", "t": 60, "excess_errors": 0.0, "gate": "errors"}]


def test_only_history_is_on_hold(simulate: Simulate) -> None:
    [decision] = simulate(past(5))
    assert (decision["decision"], decision["t"]) == ("Hold", 0)


def test_history_makes_evidence_stronger_than_no_history(simulate: Simulate) -> None:
    [without] = simulate(bad())
    [with_history] = simulate([*past(), *bad()])
    assert with_history["t"] <= without["t"]
    [late] = simulate(good())
    [early] = simulate([*past(), *good()])
    assert early["t"] < late["t"]


def test_stable_pods_that_differ_make_it_slower(simulate: Simulate) -> None:
    uneven = [
        {**one, "stable": [{"n": 4500, "bad": 90 * (i % 2)}, {"n": 4500, "bad": 90 * (1 - i % 2)}]}
        for i, one in enumerate(past())
    ]
    [even] = simulate([*past(), *good()])
    [slower] = simulate([*uneven, *good()])
    assert even["t"] < slower["t"]


@pytest.mark.parametrize(
    ("stages", "t"),
    [
        ([{"canary": {"weights": [1, 5], "holdFor": "10m"}}], 1200),
        ([{"shadow": {"minRequests": 50_000, "holdFor": "1s"}}, {"canary": {"holdFor": "1s"}}], 1500),
    ],
)
def test_hold_times_and_least_requests_are_waited_for(simulate: Simulate, stages: list[Any], t: float) -> None:
    [decision] = simulate([*past(), *good()], {**POLICY, "stages": stages})
    assert (decision["decision"], decision["t"]) == ("Promote", t)


def test_no_hold_time_protects_a_bad_run(simulate: Simulate) -> None:
    [decision] = simulate(bad(), {**POLICY, "stages": [{"canary": {"weights": [1], "holdFor": "50m"}}]})
    assert decision["decision"] == "Rollback"
    assert decision["t"] <= 120


@pytest.mark.parametrize(
    ("on_inconclusive", "decision"), [("Pause", "Hold"), ("Rollback", "Rollback"), ("Promote", "Promote")]
)
def test_when_time_is_up_the_policy_decides(simulate: Simulate, on_inconclusive: str, decision: str) -> None:
    policy = {**POLICY, "maxDuration": "60s", "onInconclusive": on_inconclusive}
    [found] = simulate([*good(), row(9000, bad=0)], policy)
    assert (found["decision"], found["t"]) == (decision, 60)


def test_harm_goes_before_time_that_is_up(simulate: Simulate) -> None:
    [found] = simulate([row(60, bad=500)], {**POLICY, "maxDuration": "60s"})
    assert (found["decision"], found["t"]) == ("Rollback", 60)


def test_a_gate_without_rows_lets_nothing_pass_and_is_told(simulate: Simulate) -> None:
    policy = {**POLICY, "gates": [*POLICY["gates"], LATENCY]}
    code, out, err = simulate.raw([*good(run="a"), *good(run="b"), *bad(run="c")], policy)
    assert code == 0
    assert [json.loads(line)["decision"] for line in out.splitlines()] == ["Hold", "Hold", "Rollback"]
    assert err == "note: 2 runs are on hold without any row of gate latency, which lets nothing pass.\n"


def test_the_worst_of_two_gates_is_named(simulate: Simulate) -> None:
    policy = {**POLICY, "gates": [*POLICY["gates"], LATENCY]}
    rows = [
        row for one in good(20) for row in (one, {**one, "gate": "latency", "candidate": [{"n": 1000, "bad": 200}]})
    ]
    [decision] = simulate(rows, policy)
    assert (decision["decision"], decision["gate"]) == ("Rollback", "latency")
    assert decision["excess_errors"] == decision["t"] / 30 * 190


def test_a_look_without_one_of_the_gates_promotes_nothing(simulate: Simulate) -> None:
    policy = {**POLICY, "gates": [*POLICY["gates"], LATENCY]}
    rows = [row(30 * i, bad=10, gate=g) for i in range(1, 101) for g in ("errors", "latency") if g == "errors" or i < 3]
    [decision] = simulate(rows, policy)
    assert (decision["decision"], decision["t"]) == ("Hold", 3000)


def test_an_arm_without_requests_waits_for_the_other(simulate: Simulate) -> None:
    """The candidate's requests of one row, the stable ones of the next: 30 bad of 1000, one percent usual."""
    rows = [{**row(30, bad=30), "stable": []}, {**row(60), "candidate": []}]
    [decision] = simulate(rows)
    assert decision["excess_errors"] == 20


def histogram(t: float, candidate: list[float], **more: Any) -> dict[str, Any]:
    stable = [{"buckets": [2000, 2000, 450, 50]}] * 2
    return {"run": "a", "t": t, "gate": "latency", "candidate": [{"buckets": candidate}], "stable": stable, **more}


SLOW_IN_THE_MIDDLE = [250.0, 640.0, 100.0, 10.0]  # of 1000: 75 % beyond the first edge in place of 56 %
USUAL = [444.0, 444.0, 100.0, 12.0]
ONLY_LATENCY = {**POLICY, "gates": [LATENCY]}


def test_without_bounds_a_histogram_is_judged_at_every_edge(simulate: Simulate) -> None:
    [decision] = simulate([histogram(30 * i, SLOW_IN_THE_MIDDLE) for i in range(1, 100)], ONLY_LATENCY)
    assert (decision["decision"], decision["gate"]) == ("Rollback", "latency")
    assert decision["excess_errors"] == pytest.approx(decision["t"] / 30 * (750 - 2500 / 4.5), abs=0.01)


def test_with_bounds_a_histogram_is_judged_at_the_gate_s_own(simulate: Simulate) -> None:
    rows = [histogram(30 * i, SLOW_IN_THE_MIDDLE, bounds=[0.1, 0.25, 1]) for i in range(1, 100)]
    [decision] = simulate(rows, ONLY_LATENCY)
    assert (decision["decision"], decision["gate"]) == ("Promote", "latency")
    [decision] = simulate(rows, {**POLICY, "gates": [{**LATENCY, "over": "100ms"}]})
    assert decision["decision"] == "Rollback"


def test_a_histogram_that_did_not_change_is_promoted(simulate: Simulate) -> None:
    [decision] = simulate([histogram(30 * i, USUAL) for i in range(1, 100)], ONLY_LATENCY)
    assert decision["decision"] == "Promote"


@pytest.mark.parametrize(
    ("rows", "policy", "sentence"),
    [
        ([row(30), row(30, gate="other")], POLICY, "line 2, field gate: the policy has no gate other; it has errors."),
        ([row(60), row(30)], POLICY, "line 2, field t: rows of a run must be in order of time, but 30 comes after 60."),
        ([row(60), row(60, run="b"), row(60)], POLICY, "line 3, field gate: run a has gate errors twice at t = 60."),
        ([histogram(30, USUAL, bounds=[1, 2, 3])], ONLY_LATENCY, "field bounds: gate latency is judged at 0.25 s, and"),
        ([{**histogram(30, USUAL), "gate": "errors"}], POLICY, "field stable: gate errors counts errors and needs bad"),
        ([histogram(30, USUAL), row(60, gate="latency")], ONLY_LATENCY, "line 2, field stable: gate latency had other"),
        ([*bad(20), "{"], POLICY, "line 21: this is not a JSON object"),
        ([], POLICY, "trace.jsonl has no rows."),
    ],
)
def test_what_cannot_be_replayed_is_told(simulate: Simulate, rows: list[object], policy: object, sentence: str) -> None:
    code, out, err = simulate.raw(rows, policy)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    text = "\n".join(json.dumps(one) for one in bad(5))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["simulate", "--trace", "-", "--policy", str(tmp_path / "policy.json")]) == 0
    assert json.loads(capsys.readouterr().out)["decision"] == "Rollback"


def test_a_trace_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.json").write_text("{}")
    assert main(["simulate", "--trace", str(tmp_path), "--policy", str(tmp_path / "policy.json")]) == 2
    assert "cannot be read: Is a directory." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--policy", "p"], "give either --trace or --prometheus"),
        (["--policy", "p", "--trace", "t", "--prometheus", "u"], "give either --trace or --prometheus"),
        (["--policy", "p", "--prometheus", "u"], "--prometheus needs --from, --to, --stable and --candidate"),
        (["--policy", "p", "--trace", "t", "--run", "r"], "give --plot too"),
        (["--trace", "t"], "required: --policy"),
    ],
)
def test_options_that_do_not_go_together(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *words])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err
