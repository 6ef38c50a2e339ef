"""The observer killed, starved and fed garbage while copies of requests go to it: users notice nothing.

Success and p99 are told side by side with those of the same users before there was an observer.
"""

from __future__ import annotations

import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from demo.counts import LoadCounts
from demo.kubectl import kubectl
from demo.load import Load, LoadSettings
from tests.e2e.case import Case
from tests.e2e.manifests import ERRORS, NAME, Manifest, hostname, manifest
from tests.e2e.users import MODEL, RATE, TIMEOUT_SECONDS

LONG_SHADOW: Manifest = {"shadow": {"minRequests": 100_000_000, "holdFor": "10m"}}
OBSERVE: Manifest = {"sideEffects": "None", "sample": {"perSecond": 40}}
SECONDS = 10.0
POD = ("-l", f"modelrollout.dev/name={NAME},app.kubernetes.io/component=observer")
BURNING = f"import time\nend = time.monotonic() + {SECONDS}\nwhile time.monotonic() < end: pass"


def test_whatever_becomes_of_the_observer_users_notice_nothing(case: Case) -> None:
    given, when, then = case.steps()
    given.live(manifest("v1"))
    given.users()
    before = _users(case)
    case.note(f"no observer: {_told(before)}")

    when.applied(manifest("v2", stages=[LONG_SHADOW], gates=[ERRORS], observe=OBSERVE))
    for name, trouble in (("left alone", _peace), ("killed", _killed), ("starved", _starved), ("fed", _fed)):
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
    """Through the gateway, which copies it: what is no JSON, what is too long, what has the wrong shape."""
    stop = threading.Event()
    bodies = (
        b"{",
        b"[" * 100_000,
        b'{"inputs": ' + b"[0," * 50_000,
        b"\xff" * 3_000_000,
        b'{"inputs": [{"shape": -1}]}',
    )

    def feed() -> None:
        while not stop.is_set():
            for body in bodies:
                _post(case, body)

    feeding = [threading.Thread(target=feed) for _ in range(2)]
    for one in feeding:
        one.start()
    try:
        yield
    finally:
        stop.set()
        for one in feeding:
            one.join()


def _post(case: Case, body: bytes) -> None:
    request = urllib.request.Request(
        f"{case.world.gateway}/v2/models/{MODEL}/infer",
        data=body,
        headers={"Content-Type": "application/json", "Host": hostname(case.namespace, NAME)},
    )
    # It is refused, as it should be.
    with suppress(OSError), urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answered:
        answered.read()
