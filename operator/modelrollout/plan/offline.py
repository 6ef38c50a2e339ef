"""The offline gate: what the evaluations of both versions say, before the candidate gets a pod.

It compares two numbers that somebody computed elsewhere, so there is no error rate to state: the candidate is worse by
more than is tolerated, or it is not. A metric that one of them lacks says nothing, and nothing is never enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelrollout.api.rollout import OfflineGate
from modelrollout.evidence import Verdict
from modelrollout.plan.observation import Observation, RevisionView


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The verdict of all metrics together; `metric` is the one that decided, if one did."""

    verdict: Verdict
    message: str
    metric: str | None = None


def compared(observation: Observation, *, candidate: RevisionView, stable: RevisionView) -> Comparison:
    return compare(
        observation.spec.rollout.offline,
        candidate=_metrics(observation, candidate),
        stable=_metrics(observation, stable),
        versions=(candidate.spec.model.version, stable.spec.model.version),
    )


def compare(
    gates: Sequence[OfflineGate],
    *,
    candidate: Mapping[str, float],
    stable: Mapping[str, float],
    versions: tuple[str, str],
) -> Comparison:
    """`versions` are those of the candidate and of the live version, for people. One worse metric is enough to fail."""
    told: list[str] = []
    missing: list[tuple[str, str]] = []
    for gate in gates:
        lacking = [
            version for version, arm in zip(versions, (candidate, stable), strict=True) if gate.metric not in arm
        ]
        if lacking:
            missing.append((gate.metric, " and ".join(f"version {version}" for version in lacking)))
            continue
        new, old = candidate[gate.metric], stable[gate.metric]
        said = f"{gate.metric} of the candidate is {new:.6g}, of the live version {old:.6g}"
        if _loss(gate, new, old) > gate.tolerate:
            tolerated = f", and {gate.tolerate:g} is tolerated" if gate.tolerate else ""
            better = "higher" if gate.higher_is_better else "lower"
            message = f"{said}; {better} is better{tolerated}"
            return Comparison(verdict=Verdict.Fail, message=message, metric=gate.metric)
        told.append(said)
    if missing:
        metric, whom = missing[0]
        message = (
            f"the registry has no metric {metric} of {whom}; log it to the run or the model, or take the metric out of "
            "rollout.offline"
        )
        return Comparison(verdict=Verdict.NoData, message=message, metric=metric)
    return Comparison(verdict=Verdict.Pass, message="; ".join(told))


def _loss(gate: OfflineGate, new: float, old: float) -> float:
    """How much worse the candidate is. Rounded where floating point is not: 0.91 - 0.9 is no more than 0.01."""
    loss = old - new if gate.higher_is_better else new - old
    return round(loss, 12)


def _metrics(observation: Observation, view: RevisionView) -> Mapping[str, float]:
    """As the registry says now, where it was asked, beside what it said when the revision was made."""
    record = view.spec.registry
    known = {metric.name: metric.value for metric in record.metrics} if record else {}
    return {**known, **observation.metrics.get(view.id, {})}
