"""Spans of a rollout on a real cluster, from the operator's own image, as a collector beside the cluster gets them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import installed
from tests.e2e.case import Case
from tests.e2e.manifests import CANARY, SOAK, manifest
from tests.faults.collector import Collector

pytestmark = pytest.mark.alone

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_BSP_SCHEDULE_DELAY")


@contextmanager
def beside() -> Iterator[Collector]:
    """The operator sends it what it has each half second, until the block ends."""
    with Collector(host="0.0.0.0") as collector:
        values = (f"http://{installed.machine()}:{collector.port}", "500")
        try:
            installed.told(*(f"{name}={value}" for name, value in zip(VARIABLES, values, strict=True)))
            yield collector
        finally:
            installed.told(*(f"{name}-" for name in VARIABLES))


def test_every_decision_about_a_bad_version_has_its_span(case: Case) -> None:
    given, when, then = case.steps()
    with beside() as collector:
        given.live(manifest("v1"))
        given.users()
        when.applied(manifest("v3", stages=[CANARY, SOAK]))
        then.ends("RolledBack", version="v1")

        made = Counter((one["outcome"], one["reason"]) for version in ("v1", "v3") for one in then.decisions(version))
        then.comes_to_be("every decision has arrived", lambda: collector.decisions(case.namespace) == made)
        assert ("RollBack", "EvidenceOfHarm") in made
        assert collector.resource["k8s.namespace.name"] == installed.NAMESPACE
        assert collector.resource["k8s.pod.name"] in {pod["metadata"]["name"] for pod in installed.pods()}
        asked = {span.name for span in collector.spans}
        assert {"reconcile", "tick", "prometheus instant", "kubernetes apply", "kubernetes patch_status"} <= asked
        case.note(f"{len(collector.spans)} spans in {collector.requests} requests; decisions: {dict(made)}")
