"""`python -m tests.bench.evidence.pictures`: draw again the pictures of docs/statistics.md, with `simulate --plot`."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelrollout.cli.main import main as kubectl_model
from tests.bench.evidence.traffic import HISTORY_INTERVALS, INTERVAL_SECONDS, INTERVALS, Kind, Numbers, Traffic

PLACE = Path(__file__).parents[3] / "docs" / "pictures"
ERRORS = {
    "name": "errors",
    "signal": "Errors",
    "tolerate": {"ratio": 1.1, "points": 0.1},
    "promoteWithin": {"points": 0.5},
}
POLICY: Mapping[str, Any] = {
    "gates": [ERRORS],
    "interval": "30s",
    "maxDuration": "1h",
}
LATE: Numbers = np.where(np.arange(INTERVALS) < INTERVALS / 2, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    traffic: Traffic
    hold_for: str = "2m"
    history: int = HISTORY_INTERVALS
    seed: int = 7

    @property
    def policy(self) -> Mapping[str, Any]:
        return {**POLICY, "stages": [{"canary": {"weights": [10], "holdFor": self.hold_for}}]}


PICTURES = (
    Picture("good", Traffic(kind=Kind.INDEPENDENT, base=0.01, requests_per_second=100)),
    Picture("twice", Traffic(kind=Kind.INDEPENDENT, base=0.01, requests_per_second=100, effect=2.0)),
    Picture("late", Traffic(kind=Kind.INDEPENDENT, base=0.01, requests_per_second=100, effect=LATE), hold_for="50m"),
    Picture("bursts", Traffic(kind=Kind.BURSTS, base=0.01, requests_per_second=100), seed=1),
    Picture("bursts-unknown", Traffic(kind=Kind.BURSTS, base=0.01, requests_per_second=100), history=0, seed=1),
    Picture("quiet", Traffic(kind=Kind.INDEPENDENT, base=0.01, requests_per_second=1)),
)


def rows(picture: Picture) -> Iterator[dict[str, Any]]:
    """The same rollout whether its history is told or not."""
    rng = np.random.default_rng(picture.seed)
    past_total, past_bad = picture.traffic.history(rng)
    arms = picture.traffic.rollout(rng)
    kept = slice(len(past_total) - picture.history, None)
    for number, (total, bad) in enumerate(zip(past_total[kept], past_bad[kept], strict=True), start=1):
        yield {"t": (number - picture.history) * INTERVAL_SECONDS, "stable": _pods(total, bad)}
    for number in range(INTERVALS):
        candidate = [{"n": arms.candidate_total[number], "bad": arms.candidate_bad[number]}]
        stable = _pods(arms.stable_total[number], arms.stable_bad[number])
        yield {"t": (number + 1) * INTERVAL_SECONDS, "candidate": candidate, "stable": stable}


def _pods(total: Numbers, bad: Numbers) -> list[dict[str, float]]:
    return [{"n": n, "bad": x} for n, x in zip(total.tolist(), bad.tolist(), strict=True)]


def main() -> None:
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        trace, policy = Path(directory, "trace.jsonl"), Path(directory, "policy.json")
        for picture in PICTURES:
            told = ({"run": picture.name, "gate": "errors", **row} for row in rows(picture))
            trace.write_text("".join(f"{json.dumps(row)}\n" for row in told))
            policy.write_text(json.dumps(picture.policy))
            target = str(PLACE / f"{picture.name}.png")
            kubectl_model(["simulate", "--trace", str(trace), "--policy", str(policy), "--plot", target])


if __name__ == "__main__":
    main()
