"""The process from its start to its end, against an API server and a Prometheus on loopback."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from modelrollout.adapters.kubernetes import LEASES
from modelrollout.runtime import main
from tests.faults.server import Call, Lost, Refusal
from tests.faults.wired import Wired
from tests.faults.world import brisk

V1 = brisk("1")


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Wired:
    return Wired(monkeypatch, tmp_path)


async def ended(operator: "asyncio.Task[int]") -> int:
    async with asyncio.timeout(30):
        return await operator


async def test_it_becomes_leader_acts_and_gives_the_lease_back_when_it_is_told_to_stop(wired: Wired) -> None:
    async with wired:
        wired.apply(V1)
        operator = wired.operator()
        await wired.until(lambda: wired.status().get("stage") == "Live")
        assert wired.holder() == "operator-0"
        wired.stop()
        assert await ended(operator) == 0
        lease = wired.store.get(LEASES, "ns", "modelrollout")
        assert lease["spec"]["holderIdentity"] == ""
        wired.api.calls.clear()
        await wired.pause(20)
        assert wired.api.calls == [], "nothing of it is left behind"


def hold(wired: Wired, holder: str) -> None:
    """Somebody else has the Lease, or nobody."""
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": "ns", "name": "modelrollout"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 600, "renewTime": "2026-11-24T12:00:00.000000Z"},
    }
    wired.store.apply(LEASES, body, manager="another")


async def test_while_another_leads_it_stands_by_and_then_takes_over(wired: Wired) -> None:
    async with wired:
        hold(wired, "another")
        wired.apply(V1)
        wired.operator()
        await wired.pause(20)
        assert {call.resource for call in wired.api.calls} == {LEASES}
        assert not any(call.is_write for call in wired.api.calls)
        hold(wired, "")
        await wired.until(lambda: wired.status().get("stage") == "Live")
        assert wired.holder() == "operator-0"


async def test_a_standby_that_is_told_to_stop_ends_without_having_led(wired: Wired) -> None:
    async with wired:
        hold(wired, "another")
        standby = wired.operator()
        await wired.pause(5)
        wired.stop()
        assert await ended(standby) == 0
        assert wired.holder() == "another"


async def test_it_ends_when_it_loses_the_lease_and_writes_nothing_after_that(wired: Wired) -> None:
    async with wired:
        operator = wired.operator()
        await wired.until(lambda: wired.holder() == "operator-0")
        lease = wired.store.get(LEASES, "ns", "modelrollout")
        lease["spec"]["holderIdentity"] = "another"
        wired.store.replace(LEASES, lease)
        assert await ended(operator) == 1
        wired.api.calls.clear()
        wired.apply(V1)
        await wired.pause(20)
        assert wired.api.calls == []
        assert wired.holder() == "another"


async def test_it_ends_when_the_lease_cannot_be_renewed(wired: Wired) -> None:
    async with wired:
        operator = wired.operator()
        await wired.until(lambda: wired.holder() == "operator-0")
        wired.api.fault = lambda call: Lost.REQUEST if call.resource is LEASES else None
        assert await ended(operator) == 1


async def test_a_first_list_that_fails_is_tried_again(wired: Wired) -> None:
    failures = 3

    def fault(call: Call) -> Refusal | None:
        nonlocal failures
        if call.verb == "list" and failures > 0:
            failures -= 1
            return Refusal(404)
        return None

    async with wired:
        wired.apply(V1)
        wired.api.fault = fault
        wired.operator()
        await wired.until(lambda: wired.status().get("stage") == "Live")


async def test_a_first_list_that_fails_for_good_ends_the_process(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "FIRST_LIST_TRIES", 2)
    async with wired:
        wired.api.fault = lambda call: Refusal(403) if call.verb == "list" else None
        assert await ended(wired.operator()) == 1


async def test_without_the_gateways_kinds_rollouts_by_ratio_work(wired: Wired) -> None:
    async with wired:
        wired.api.fault = lambda call: Refusal(404) if call.resource.plural == "httproutes" else None
        wired.apply(brisk("1", route=False))
        wired.operator()
        await wired.until(lambda: wired.status().get("stage") == "Live")


def test_without_a_cluster_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    assert main.main(["--port", "0"]) == 2
    assert "No service account is mounted, and the kubeconfig" in caplog.text


async def test_kill_9_and_sigterm_of_a_real_process(wired: Wired, tmp_path: Path) -> None:
    """In a process of its own, at the pace of the system's clock."""
    async with wired:
        arguments = ["--prometheus", wired.prometheus.url, "--port", "0", "--lease-namespace", "ns", "--identity", "it"]
        environ = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "PYTHONPATH": os.pathsep.join(sys.path)}

        async def started() -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "modelrollout.runtime", *arguments, env=environ
            )

        wired.apply(V1)
        victim = await started()
        await wired.until(lambda: wired.status().get("stage") is not None)
        victim.kill()
        assert await victim.wait() == -9
        assert wired.holder() == "it"
        successor = await started()
        await wired.until(lambda: wired.status().get("stage") == "Live")
        successor.terminate()
        assert await successor.wait() == 0
        assert wired.holder() == ""
