"""History from Prometheus, against a real HTTP server on loopback that answers ranges as Prometheus does."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from modelrollout.adapters.clock import SystemClock
from modelrollout.adapters.prometheus import History, PrometheusSource
from modelrollout.cli import recorded
from modelrollout.cli.main import main
from tests.unit.cli.ranges import BEGIN, FakePrometheus, serving
from tests.unit.cli.traces import LATENCY, POLICY

STEP = 30


@pytest.fixture
def prometheus() -> Iterator[FakePrometheus]:
    with serving(FakePrometheus()) as fake:
        yield fake


@dataclass
class Replay:
    fake: FakePrometheus
    directory: Path
    output: pytest.CaptureFixture[str]

    def raw(self, policy: Mapping[str, Any] = POLICY, options: Mapping[str, str] = {}) -> tuple[int, str, str]:
        (self.directory / "policy.json").write_text(json.dumps(policy))
        given = {
            "from": "2026-11-24T12:00:00Z",
            "to": "2026-11-24T13:00:00Z",
            "stable": 'pod=~"old-.*"',
            "candidate": '{namespace="ns", pod=~"new-.*"}',
            **options,
        }
        words = [word for name, value in given.items() for word in (f"--{name}", value)]
        code = main(
            ["simulate", "--policy", str(self.directory / "policy.json"), "--prometheus", self.fake.url, *words]
        )
        captured = self.output.readouterr()
        return code, captured.out, captured.err

    def __call__(self, policy: Mapping[str, Any] = POLICY, options: Mapping[str, str] = {}) -> dict[str, Any]:
        code, out, err = self.raw(policy, options)
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        return found


@pytest.fixture
def replay(prometheus: FakePrometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Replay:
    return Replay(prometheus, tmp_path, capsys)


def test_a_good_version(replay: Replay) -> None:
    found = replay()
    assert (found["run"], found["decision"], found["gate"]) == ("prometheus", "Promote", "errors")
    assert found["excess_errors"] == pytest.approx(0, abs=0.01)


def test_a_bad_version(replay: Replay) -> None:
    """It is first seen at --from, so its warm-up of 60 s is not judged, nor is the reading that ends it."""
    replay.fake.bad_share["new-1"] = 0.06
    found = replay()
    assert found["decision"] == "Rollback"
    assert 90 <= found["t"] <= 180
    assert found["excess_errors"] == pytest.approx((found["t"] - 60) * 100 * 0.05, rel=0.01)


def test_latency_is_judged_at_its_bound(replay: Replay) -> None:
    replay.fake.bad_share["new-1"] = 0.3
    found = replay({**POLICY, "gates": [LATENCY]})
    assert (found["decision"], found["gate"]) == ("Rollback", "latency")


def test_what_is_asked(replay: Replay) -> None:
    """A range for each family and arm, at the policy's interval; the live version from two hours before."""
    replay({**POLICY, "gates": [*POLICY["gates"], LATENCY, {**LATENCY, "name": "slow", "over": "100ms"}]})
    queries = replay.fake.queries
    assert {query["path"] for query in queries} == {"/api/v1/query_range"}
    assert {query["step"] for query in queries} == {"30"}
    assert [(query["start"], query["end"]) for query in queries] == [
        (str(BEGIN), str(BEGIN + 3600)),
        (str(BEGIN - 7200), str(BEGIN + 3600)),
    ] * 2
    assert queries[0]["query"].startswith("sum by (namespace, pod, status_code) (rest_server_requests_total{")
    assert queries[0]["query"].endswith(',namespace="ns",pod=~"new-.*"})')


def test_long_ranges_are_split(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = replay()
    replay.fake.queries.clear()
    monkeypatch.setattr(recorded, "MOST_STEPS_A_QUERY", 100)
    assert replay() == whole
    assert len(replay.fake.queries) == 2 + 4  # 121 steps and 361 steps
    times = [(int(query["start"]), int(query["end"])) for query in replay.fake.queries[2:]]
    assert [later[0] - earlier[1] for earlier, later in pairwise(times)] == [STEP] * 3


def test_more_than_a_hundred_queries_are_not_asked(replay: Replay) -> None:
    code, _, err = replay.raw({**POLICY, "interval": "1s"}, {"to": "2027-11-24T13:00:00Z"})
    assert code == 2
    assert "more than 100 queries" in err
    assert replay.fake.queries == []


def test_history_that_is_no_multiple_of_the_interval_is_lengthened(replay: Replay) -> None:
    replay(options={"history": "45s"})
    assert replay.fake.queries[1]["start"] == str(BEGIN - 60)


def test_the_history_s_pods_give_phi(replay: Replay) -> None:
    uneven = replay.fake.bad_share
    replay({**POLICY})
    without = replay()["t"]
    uneven.update({"old-1": 0.002, "old-2": 0.018})
    assert replay()["t"] > without


def test_a_pod_that_comes_later_is_not_judged_while_it_warms_up(replay: Replay) -> None:
    replay.fake.since["new-1"] = BEGIN + 600
    replay.fake.bad_share["new-1"] = 0.9
    found = replay()
    assert found["decision"] == "Rollback"
    assert found["t"] == 600 + 60 + 30


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"from": "noon"}, "--from: 'noon' is no time"),
        ({"to": "2026-11-24T12:00:00Z"}, "--to must be later than --from."),
        ({"history": "2 hours"}, "--history: '2 hours' is not a duration"),
        ({"server": "Other"}, "--server: Other is not one of MLServer"),
        ({"stable": "{}"}, "--stable: the selector is empty."),
        ({"stable": 'pod="a"} or vector(1)'}, "is no selector"),
        ({"candidate": "pod=unquoted"}, "--candidate: 'pod=unquoted' is no selector"),
        ({"candidate": 'pod="a" pod="b"'}, "is no selector"),
        ({"stable": 'pod=~"none-.*"'}, "No series of rest_server_requests_total matches --stable."),
    ],
)
def test_what_cannot_be_asked_is_told(replay: Replay, options: dict[str, str], sentence: str) -> None:
    code, out, err = replay.raw(options=options)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_times_may_be_unix_seconds(replay: Replay) -> None:
    assert replay(options={"from": str(BEGIN), "to": f"{BEGIN + 3600}.4"}) == replay()


def test_a_bound_that_the_server_does_not_have(replay: Replay) -> None:
    code, _, err = replay.raw({**POLICY, "gates": [{**LATENCY, "over": "300ms"}]})
    assert code == 2
    assert "Gate latency: no bucket ends at 300ms; there is 0.1s, 0.25s." in err


def test_half_an_answer_is_none(replay: Replay) -> None:
    replay.fake.answer = {
        "status": "success",
        "warnings": ["a store is away"],
        "data": {"resultType": "matrix", "result": []},
    }
    code, out, err = replay.raw()
    assert (code, out) == (2, "")
    assert "Prometheus cannot be asked: the answer is incomplete: a store is away." in err


def test_nobody_answers(replay: Replay) -> None:
    replay.fake.url = "http://127.0.0.1:9"
    code, _, err = replay.raw()
    assert code == 2
    assert "Prometheus cannot be asked: " in err


def test_values_that_are_no_numbers_are_left_out(prometheus: FakePrometheus) -> None:
    series = {"metric": {"pod": "a"}, "values": [[1, "1"], [2, "NaN"], [3, "+Inf"], [4, "4"]]}
    prometheus.answer = {"status": "success", "data": {"resultType": "matrix", "result": [series]}}

    async def ask() -> tuple[History, ...]:
        async with PrometheusSource(prometheus.url, SystemClock()) as source:
            at = datetime(2026, 11, 24, tzinfo=UTC)
            return await source.range("x", begin=at, end=at, step_seconds=1)

    assert asyncio.run(ask()) == (History({"pod": "a"}, {1.0: 1.0, 4.0: 4.0}),)
