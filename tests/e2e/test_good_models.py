"""The first version, and a better one after it."""

from __future__ import annotations

import subprocess

from tests.e2e.case import Case
from tests.e2e.manifests import manifest


def test_first_install(case: Case) -> None:
    _, when, then = case.steps()
    when.applied(manifest("v1"))
    then.ends("Live", version="v1")
    then.passed_through("Install", "Live")
    then.state_of("v1", "Live")
    assert [one["outcome"] for one in then.decisions("v1")] == ["Install"]
    then.events_are("Installed")
    assert len(then.pods("v1")) == 2


def test_good_model(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()

    when.applied(manifest("v2"))

    then.ends("Live", version="v2")
    then.passed_through("Shadow", "Canary", "Soak", "Live")
    then.weights_only_grew()
    then.users_get_only("v2")
    then.pods_are_gone("v1")
    then.users_saw_no_failure()
    then.state_of("v1", "Superseded")
    then.state_of("v2", "Live")
    outcomes = [one["reason"] for one in then.decisions("v2")]
    assert outcomes == ["RolloutStarted", "ShadowPassed", "WeightIncreased", "CanaryPassed", "Promoted"]
    then.events_are("Installed", *outcomes)


def test_good_model_at_the_pace_of_the_evidence(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()

    when.applied(manifest("v2", stages=[{"canary": {"pace": "Evidence", "holdFor": "4s"}}, {"soak": {"for": "2s"}}]))

    then.ends("Live", version="v2")
    then.passed_through("Canary", "Soak", "Live")
    then.weights_only_grew()
    then.users_saw_no_failure()


def test_kubectl_wait(case: Case) -> None:
    """`kubectl wait` right after `kubectl apply` waits for the version that was applied, not for the one before it."""
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()

    when.applied(manifest("v2"))
    waited = _kubectl_wait("Ready", case, seconds=120)
    found = case.fetch("modeldeployment", "biopsy")
    assert waited == 0
    assert found["status"]["stableVersion"] == "v2"

    when.applied(manifest("v3"))
    assert _kubectl_wait("Stalled", case, seconds=120) == 0
    then.ends("RolledBack", version="v2")
    assert _kubectl_wait("RolledBack", case, seconds=5) == 0
    assert _kubectl_wait("Ready", case, seconds=2) != 0

    when.applied(manifest("v2"))
    assert _kubectl_wait("Ready", case, seconds=120) == 0
    then.users_saw_no_failure()


def _kubectl_wait(kind: str, case: Case, *, seconds: int) -> int:
    """Exit code of the command that a pipeline would use."""
    command = ["kubectl", "wait", f"--for=condition={kind}", "modeldeployment/biopsy", "-n", case.namespace]
    done = subprocess.run(
        [*command, f"--timeout={seconds}s"], capture_output=True, text=True, timeout=seconds + 30, check=False
    )
    return done.returncode
