"""The observer killed, starved and fed garbage while copies of requests go to it: users notice nothing.

Success and p99 are told side by side with those of the same users before there was an observer.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.counts import LoadCounts
from demo.kubectl import apply, kubectl
from demo.load import Load, LoadSettings
from modelrollout.api.observer import REQUEST_PORT, service_name
from tests.e2e import garbage
from tests.e2e.case import Case
from tests.e2e.garbage import GARBAGE
from tests.e2e.manifests import CANARY, ERRORS, NAME, SHADOW, SOAK, Manifest, hostname, manifest
from tests.e2e.then import condition
from tests.e2e.users import MODEL, RATE, TIMEOUT_SECONDS

LONG_SHADOW: Manifest = {"shadow": {"minRequests": 100_000_000, "holdFor": "10m"}}
AGREEMENT: Manifest = {"name": "agreement", "signal": "Agreement", "target": 0.5}
OBSERVE: Manifest = {"sideEffects": "None", "sample": {"perSecond": 40}}
SECONDS = 10.0
LONG_SECONDS = 300.0
POD = ("-l", f"modelrollout.dev/name={NAME},app.kubernetes.io/component=observer")
BURNING = f"import time\nend = time.monotonic() + {SECONDS}\nwhile time.monotonic() < end: pass"


@pytest.mark.alone  # so that p99 tells of the observer and of nothing else
def test_whatever_becomes_of_the_observer_users_notice_nothing(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = _users(case)
    case.note(f"no observer: {_told(before)}")

    when.applied(manifest("v2", stages=[LONG_SHADOW], gates=[ERRORS], observe=OBSERVE))
    for name, trouble in (("left alone", _peace), ("killed", _killed), ("starved", _starved), ("fed", _fed)):
        kubectl("wait", "--for=condition=Available", "deployments", "--all", "-n", case.namespace, timeout=60)
        then.comes_to_be(f"pairs are compared before it is {name}", lambda: _pairs(case) > 0)
        with trouble(case):
            during = _users(case)
        case.note(f"observer {name}: {_told(during)}")
        assert (during.failed, during.ok) == (0, during.sent), name

    since = _pairs(case)
    then.comes_to_be("pairs are compared again", lambda: _pairs(case) > since)
    then.users_saw_no_failure()
    then.users_saw_nothing_of("v2")
    when.asked("Reject", reason="the test has seen enough")
    then.ends("RolledBack", version="v1")


def test_an_observer_that_cannot_start_holds_its_gate_and_harms_nobody(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    when.containers_need("100Mi")  # more than an observer asks for

    when.applied(manifest("v2", stages=[SHADOW, CANARY, SOAK], gates=[ERRORS, AGREEMENT], observe=OBSERVE))

    waiting = then.comes_to("its gate has no data", lambda found: condition(found, "Ready")["reason"] == "NoData")
    case.note(condition(waiting, "Ready")["message"])
    then.stays("it waits in shadow", lambda found: found["status"]["stage"] == "Shadow", seconds=8)
    assert _verdicts(case, "v2") <= {"NoData", "Insufficient"}

    when.containers_need(None)

    then.ends("Live", version="v2", seconds=LONG_SECONDS)
    assert "Pass" in _verdicts(case, "v2")
    then.users_saw_no_failure()


def _verdicts(case: Case, version: str) -> set[str]:
    """Of the agreement, in all states that there were."""
    (states,) = case.revisions(version)
    gates = [one for state in states for one in state.status.get("evidence", {}).get("numbers", {}).get("gates", [])]
    return {one["verdict"] for one in gates if one["name"] == "agreement"}


def _users(case: Case) -> LoadCounts:
    """What others than the users of the whole test see meanwhile."""
    load = Load(
        LoadSettings(
            url=case.world.gateway,
            host=hostname(case.namespace, NAME),
            model=MODEL,
            rate=RATE,
            seconds=SECONDS,
            timeout=TIMEOUT_SECONDS,
        )
    )
    load.start()
    return load.wait()


def _told(counts: LoadCounts) -> str:
    return f"{counts.ok} of {counts.sent} answered, p99 {counts.latencies.p99 * 1000:.0f} ms"


def _pairs(case: Case) -> float:
    """Of the observer's pod of the moment; 0 while it cannot be asked."""
    path = f"/api/v1/namespaces/{case.namespace}/services/{NAME}-observer:9090/proxy/metrics"
    done = subprocess.run(["kubectl", "get", "--raw", path], capture_output=True, text=True, timeout=30, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("modelrollout_observer_pairs_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'output=""' in line)


def _pod(case: Case) -> str:
    listed = kubectl("get", "pods", *POD, "-n", case.namespace, "-o", "jsonpath={.items[0].metadata.name}")
    assert listed, "there is no pod of an observer"
    return listed


@contextmanager
def _peace(_: Case) -> Iterator[None]:
    yield


@contextmanager
def _killed(case: Case) -> Iterator[None]:
    kubectl("delete", "pod", _pod(case), "-n", case.namespace, "--grace-period=0", "--force")
    yield


@contextmanager
def _starved(case: Case) -> Iterator[None]:
    """Others in its container use up the processor time that it may have."""
    command = ["kubectl", "exec", _pod(case), "-n", case.namespace, "--", "python3", "-c", BURNING]
    burning = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    try:
        yield
    finally:
        assert 0 in [one.wait(timeout=60) for one in burning], "nothing was run beside the observer"


@contextmanager
def _fed(case: Case) -> Iterator[None]:
    """Garbage straight to its Service, past the gateway, from a pod beside it."""
    pod = _pod(case)
    before = _restarts(case, pod)
    feeder = _feeder(case)
    apply(feeder)
    kubectl("wait", "--for=condition=Ready", "pod/feeder", "-n", case.namespace, "--timeout=60s", timeout=70)
    yield
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl("wait", ended, "pod/feeder", "-n", case.namespace, "--timeout=120s", timeout=130)
    sent = json.loads(kubectl("logs", "feeder", "-n", case.namespace))
    case.note(f"it was fed {sent}")
    assert all(sent.get(kind) for kind in GARBAGE), "some garbage never got there"
    assert _restarts(case, pod) == before, "it ended, so it held more than it may"


def _feeder(case: Case) -> Manifest:
    """Kept busy for a little longer than users are looked at."""
    made = manifest("v1")["spec"]["serving"]["template"]["spec"]
    service = f"{service_name(NAME)}.{case.namespace}"
    words = ["python3", "-c", Path(garbage.__file__).read_text(), service, str(REQUEST_PORT), str(SECONDS + 5)]
    named = ("image", "imagePullPolicy", "securityContext")
    container = {"name": "feeder", "command": words, **{key: made["containers"][0][key] for key in named}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "feeder", "namespace": case.namespace},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": made["securityContext"],
            "containers": [container],
        },
    }


def _restarts(case: Case, pod: str) -> int:
    (status,) = case.fetch("pod", pod)["status"]["containerStatuses"]
    return int(status["restartCount"])
