"""Traces and policies that tests write by hand."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from modelrollout.cli.main import main

POLICY: Mapping[str, Any] = {
    "gates": [
        {
            "name": "errors",
            "signal": "Errors",
            "tolerate": {"ratio": 1.1, "points": 0.1},
            "promoteWithin": {"points": 0.5},
        }
    ],
    "stages": [{"canary": {"weights": [10], "holdFor": "30s"}}],
    "interval": "30s",
    "maxDuration": "60m",
}
LATENCY: Mapping[str, Any] = {"name": "latency", "signal": "Latency", "over": "250ms"}


def row(
    t: float, *, bad: float = 0, n: float = 1000, run: str = "a", gate: str = "errors", **more: Any
) -> dict[str, Any]:
    """One candidate pod; two stable pods with 9 times its requests and one percent bad."""
    stable = [{"n": 4500, "bad": 45}, {"n": 4500, "bad": 45}]
    return {"run": run, "t": t, "gate": gate, "candidate": [{"n": n, "bad": bad}], "stable": stable, **more}


def past(intervals: int = 320, *, run: str = "a", gate: str = "errors") -> list[dict[str, Any]]:
    """A history of pods that do not differ, up to t = 0."""
    pods = [{"n": 4500, "bad": 45}, {"n": 4500, "bad": 45}]
    return [{"run": run, "t": 30 * (1 + i - intervals), "gate": gate, "stable": pods} for i in range(intervals)]


def good(looks: int = 120, *, run: str = "a", begin: int = 1) -> list[dict[str, Any]]:
    return [row(30 * look, bad=10, run=run) for look in range(begin, begin + looks)]


def bad(looks: int = 120, *, run: str = "a", begin: int = 1) -> list[dict[str, Any]]:
    return [row(30 * look, bad=60, run=run) for look in range(begin, begin + looks)]


def write(path: Path, rows: Iterable[object]) -> str:
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows) + "\n")
    return str(path)


class Simulate:
    """Runs the verb on files in a directory of the test's own."""

    def __init__(self, directory: Path, output: pytest.CaptureFixture[str]) -> None:
        self._directory = directory
        self._output = output

    def __call__(self, rows: Iterable[object], policy: object = POLICY, *more: str) -> list[dict[str, Any]]:
        code, out, err = self.raw(rows, policy, *more)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def raw(self, rows: Iterable[object], policy: object = POLICY, *more: str) -> tuple[int, str, str]:
        trace = write(self._directory / "trace.jsonl", rows)
        text = policy if isinstance(policy, str) else json.dumps(policy)
        (self._directory / "policy.yaml").write_text(text)
        code = main(["simulate", "--trace", trace, "--policy", str(self._directory / "policy.yaml"), *more])
        captured = self._output.readouterr()
        return code, captured.out, captured.err.replace(f"{self._directory}/", "")
