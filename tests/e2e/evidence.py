"""The evidence as a ModelRevision's status tells it, held against what Prometheus counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tests.e2e.case import Case
from tests.e2e.history import State
from tests.e2e.metrics import Served, served

GATE = "errors"


@dataclass(frozen=True)
class Written:
    """Totals of both arms as of `at`."""

    at: datetime
    candidate: Served
    stable: Served


@dataclass(frozen=True)
class Growth:
    """What one arm's evidence grew by between two writes, and what its pods served between the same two times."""

    arm: str
    begin: Written
    end: Written
    counted: Served
    served: Served

    def __str__(self) -> str:
        times = f"{self.begin.at:%H:%M:%S} to {self.end.at:%H:%M:%S}"
        return f"{self.arm} {times}: {_told(self.counted)} counted, {_told(self.served)} served"


def written(states: tuple[State, ...]) -> list[Written]:
    """Each evidence that was ever written of a revision, oldest first."""
    found: dict[str, Written] = {}
    for state in states:
        evidence = state.status.get("evidence")
        if evidence is not None:
            gate = next(gate["state"] for gate in evidence["gates"] if gate["name"] == GATE)
            at = datetime.fromisoformat(evidence["evaluatedAt"])
            found[evidence["evaluatedAt"]] = Written(at, Served(*gate["candidate"]), Served(*gate["stable"]))
    return list(found.values())


def growths(case: Case, *, candidate: str, stable: str) -> Iterator[Growth]:
    """Between each two writes of the newest revision of the candidate's version."""
    states = case.revisions(candidate)[-1]
    pods = {"candidate": _name(states), "stable": _name(case.revisions(stable)[-1])}
    for begin, end in pairwise(written(states)):
        for arm, prefix in pods.items():
            before, after = (_served(case, prefix, at) for at in (begin.at, end.at))
            counted = _difference(getattr(end, arm), getattr(begin, arm))
            yield Growth(arm, begin, end, counted, _difference(after, before))


def nothing_is_counted_twice(all_growths: list[Growth]) -> None:
    """No arm's evidence ever shrinks, or holds more than was served until then. Less is right: pods count once warm.

    What is held against each other are sums from the first write on: an answer for a moment at which Prometheus was
    away is that of the moment before, so one stretch may lack what the next one has.
    """
    for arm in ("candidate", "stable"):
        counted = served = Served(0, 0)
        for growth in (one for one in all_growths if one.arm == arm):
            assert growth.end.at > growth.begin.at, f"evidence went back in time: {growth}"
            assert growth.counted.requests >= 0, f"requests: {growth}"
            assert growth.counted.bad >= 0, f"bad requests: {growth}"
            counted, served = _sum(counted, growth.counted), _sum(served, growth.served)
            assert counted.requests <= served.requests, f"requests: {counted} of {served} until {growth}"
            assert counted.bad <= served.bad, f"bad requests: {counted} of {served} until {growth}"


def nothing_is_lost(all_growths: list[Growth]) -> None:
    """Once the candidate's pods are warm, evidence grows by exactly what was served."""
    warm = [growth for growth in all_growths if growth.begin.candidate.requests > 0]
    assert warm, f"no two writes to compare: {[str(growth) for growth in all_growths]}"
    for arm in ("candidate", "stable"):
        counted = served = Served(0, 0)
        for growth in (one for one in warm if one.arm == arm):
            counted, served = _sum(counted, growth.counted), _sum(served, growth.served)
        assert counted == served, f"{arm}: {counted} of {served}"


def _sum(one: Served, other: Served) -> Served:
    return Served(round(one.requests + other.requests, 3), round(one.bad + other.bad, 3))


def _served(case: Case, pods: str, at: datetime) -> Served:
    return served(case.world.prometheus, namespace=case.namespace, pods=f"{pods}-", at=at)


def _difference(later: Served, earlier: Served) -> Served:
    return Served(round(later.requests - earlier.requests, 3), round(later.bad - earlier.bad, 3))


def _name(states: tuple[State, ...]) -> str:
    return str(states[0].found["metadata"]["name"])


def _told(served: Served) -> str:
    return f"{served.bad:g} bad of {served.requests:g}"
