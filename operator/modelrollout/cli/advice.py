"""What is allowed and often regretted: advice about a ModelDeployment that keeps all rules.

Each advice is one function, with the name that it is told by. How many requests a gate needs is told by the operator's
own statistics, which are imported where that matters: where traffic is known, or a gate's margin is not.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from modelrollout.api.base import seconds
from modelrollout.api.durations import told
from modelrollout.api.gates import Gate
from modelrollout.api.modeldeployment import ModelDeployment, ModelDeploymentSpec
from modelrollout.api.rollout import DEFAULT_GATES, Inconclusive
from modelrollout.cli.check import Finding
from modelrollout.cli.documents import Location

_ROLLOUT = ("spec", "rollout")
_CONTAINERS = ("spec", "serving", "template", "spec", "containers")
_MUTABLE_TAGS = frozenset({"latest", "main", "master", "dev", "edge", "nightly", "stable", "prod", "production"})
_TAG = re.compile(r":([^:/@]+)$")
_QUIET_PER_SECOND = 0.1
"""Who has less than this knows that he has to wait."""

Adviser = Callable[[ModelDeploymentSpec, float | None], Iterator[tuple[Location, str]]]


def advice(body: Mapping[str, Any], *, per_second: float | None) -> Iterator[Finding]:
    """`per_second` is how many requests users send, where it is known."""
    spec = ModelDeployment.read(body).spec
    for name, adviser in ADVISERS.items():
        yield from (Finding(location, message, name) for location, message in adviser(spec, per_second))


def _no_soak(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    if spec.soak is None:
        yield (
            (*_ROLLOUT, "stages"),
            "without a soak the old version's pods go as soon as the new one is live, and a way back waits for new "
            "ones; add - soak: {for: 1h}",
        )


def _short_shadow(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    shadow, rollout = spec.shadow, spec.rollout
    said = bool(rollout.stages) or "warmup" in rollout.model_fields_set
    if shadow is None or not said or seconds(rollout.warmup) < seconds(shadow.hold_for):
        return
    where = (*_ROLLOUT, "warmup") if "warmup" in rollout.model_fields_set else (*_ROLLOUT, "stages", 0, "shadow")
    yield (
        where,
        f"warmup {rollout.warmup} is not shorter than the shadow's holdFor {shadow.hold_for}, in which nothing is "
        "judged then; shorten warmup, or lengthen holdFor",
    )


def _long_holds(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    least = seconds(spec.shadow.hold_for) if spec.shadow else 0.0
    if spec.canary is not None:
        least += seconds(spec.canary.hold_for) * len(spec.canary.weights or (1,))
    if least >= seconds(spec.rollout.max_duration):
        yield (
            (*_ROLLOUT, "maxDuration"),
            f"the stages hold for {told(timedelta(seconds=least))} at least, and maxDuration is "
            f"{spec.rollout.max_duration}: no rollout ends in it; lengthen maxDuration, or shorten holdFor",
        )


def _promotes_unproven(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    if spec.rollout.on_inconclusive is Inconclusive.PROMOTE:
        yield (
            (*_ROLLOUT, "onInconclusive"),
            "a version that nothing is known of goes live when time is over; Pause waits for a person instead",
        )


def _slow_gates(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    if spec.shadow is None and spec.canary is None:
        return
    threshold = math.log(1 / spec.rollout.error_rates.false_promotion)
    allowed = seconds(spec.rollout.max_duration)
    share = _share(spec)
    for place, gate in enumerate(spec.rollout.gates):
        if gate.signal is None or (per_second is None and gate.promote_within is not None):
            continue  # a template's margin is not known here; who set one knows what it takes, until traffic is told
        needed = _requests(gate, spec, threshold=threshold)
        if needed is None:
            continue
        where = (*_ROLLOUT, "gates", place) if spec.rollout.gates is not DEFAULT_GATES else _ROLLOUT
        least = needed / (allowed * share)
        margin = f"{gate.margin_points:g} points"
        takes = (
            f"gate {gate.name} takes about {_rounded(needed)} requests of a good candidate to show it within {margin}"
        )
        if per_second is not None and per_second < least:
            takes += f": {told(timedelta(seconds=needed / (per_second * share)))} at {per_second:g} requests a second"
            yield where, f"{takes}, and maxDuration is {spec.rollout.max_duration}; widen promoteWithin, or lengthen it"
        elif per_second is None and least >= _QUIET_PER_SECOND:
            yield (
                where,
                f"{takes}, its signal's own margin; below {least:.2g} requests a second that is longer than "
                f"maxDuration; set promoteWithin, or say your traffic with --requests-per-second",
            )


def _share(spec: ModelDeploymentSpec) -> float:
    """The candidate's share of the requests, as fast as evidence can come."""
    if spec.shadow is not None:
        return 1.0
    weights = spec.canary.weights if spec.canary else None
    return max(weights) / 100 if weights else 0.5


def _requests(gate: Gate, spec: ModelDeploymentSpec, *, threshold: float) -> float | None:
    """None for gates that count no requests, and for those that name a template."""
    from modelrollout.evidence import GatePolicy, ShapePolicy, begin
    from modelrollout.evidence.forecast import requests_left
    from modelrollout.plan.policies import REQUEST_SIGNALS, policy_of

    if gate.signal not in REQUEST_SIGNALS:
        return None
    policy = policy_of(gate)
    if not isinstance(policy, GatePolicy | ShapePolicy):
        return None
    nothing = begin(
        policy,
        planned_seconds=seconds(spec.rollout.max_duration),
        interval_seconds=seconds(spec.rollout.interval),
        phi=1.0,
    )
    return requests_left(nothing, policy, threshold=threshold, split=1.0)  # type: ignore[arg-type]


def _rounded(number: float) -> str:
    digits = max(0, len(str(int(number))) - 2)
    return f"{round(number, -digits):,.0f}"


def _mutable_images(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    for place, container in enumerate(spec.serving.template["spec"].get("containers") or ()):
        image = container.get("image")
        if isinstance(image, str) and _moves(image):
            yield (
                (*_CONTAINERS, place, "image"),
                f"{image} can be another image tomorrow, in the pods of a version that was compared today; name a "
                "version, or best a digest (@sha256:…)",
            )
    if spec.model.uri.startswith("oci://") and "@sha256:" not in spec.model.uri:
        yield (
            ("spec", "model", "uri"),
            f"{spec.model.uri} can be another artifact tomorrow; name its digest (@sha256:…)",
        )


def _moves(image: str) -> bool:
    tag = _TAG.search(image)
    return "@" not in image and (tag is None or tag[1] in _MUTABLE_TAGS)


def _no_readiness(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    containers = spec.serving.template["spec"].get("containers") or ()
    if not any(container.get("readinessProbe") for container in containers):
        yield (
            (*_CONTAINERS, 0),
            "no container has a readinessProbe: pods get requests, and count as capacity, before the model is loaded; "
            "add one that asks the server whether the model is ready",
        )


def _one_replica(spec: ModelDeploymentSpec, per_second: float | None) -> Iterator[tuple[Location, str]]:
    if spec.serving.replicas == 1:
        yield (
            ("spec", "serving", "replicas"),
            "one pod: users notice its restart, and how much pods of one version differ cannot be learnt, which "
            "evidence is divided by; two are the least",
        )


ADVISERS: Mapping[str, Adviser] = {
    "no-soak": _no_soak,
    "short-shadow": _short_shadow,
    "long-holds": _long_holds,
    "promotes-unproven": _promotes_unproven,
    "slow-gate": _slow_gates,
    "mutable-image": _mutable_images,
    "no-readiness": _no_readiness,
    "one-replica": _one_replica,
}
