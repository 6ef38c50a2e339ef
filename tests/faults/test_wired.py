"""Whole rollouts over real connections, with and without faults: kopf, the client, Prometheus and the Lease."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from modelrollout.adapters.kubernetes import DEPLOYMENTS, LEASES
from modelrollout.api.revision import child_name
from tests.builders import NAME, NAMESPACE, id_of
from tests.faults.controllers import cancelled
from tests.faults.server import Call, Fault, Lost, Refusal
from tests.faults.wired import Wired
from tests.faults.world import BAD, CANARY, SOAK, brisk

V1, V2 = brisk("1"), brisk("2")
V3 = brisk("3", stages=(CANARY, SOAK))


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Wired:
    """To be entered by the test itself: kopf ends all tasks that are younger than itself when it ends."""
    world = Wired(monkeypatch, tmp_path)
    world.traffic.behaviours[id_of(V3)] = BAD
    return world


async def roll_out(wired: Wired) -> None:
    """The first version, a good one, a bad one."""
    wired.apply(V1)
    await wired.until(lambda: wired.status().get("stable") == id_of(V1))
    wired.apply(V2)
    await wired.until(lambda: wired.status().get("stable") == id_of(V2))
    wired.apply(V3)
    await wired.until(lambda: wired.status().get("rejected") == id_of(V3))
    assert wired.status()["stable"] == id_of(V2)


async def test_a_good_version_goes_live_and_a_bad_one_comes_back(wired: Wired) -> None:
    async with wired:
        wired.operator()
        await roll_out(wired)


def in_turn(*faults: Refusal | Lost) -> Fault:
    """Each third write meets the next of these."""
    count, following = itertools.count(1), itertools.cycle(faults)

    def fault(call: Call) -> Refusal | Lost | None:
        return next(following) if call.is_write and call.resource is not LEASES and next(count) % 3 == 0 else None

    return fault


async def test_refusals_and_lost_answers_of_all_kinds_do_not_change_the_end(wired: Wired) -> None:
    async with wired:
        wired.api.fault = in_turn(
            Refusal(409),
            Refusal(429, {"Retry-After": "1"}),
            Refusal(500),
            Lost.REQUEST,
            Lost.ANSWER,
            Refusal(503),
            Refusal(504),
        )
        wired.operator()
        await roll_out(wired)


async def test_watches_that_break_off_again_and_again_go_on(wired: Wired) -> None:
    async with wired:
        wired.operator()
        breaking = asyncio.create_task(again_and_again(wired.api.cut_watches, wired))
        await roll_out(wired)
        await cancelled(breaking)


async def test_watches_that_expire_again_and_again_begin_anew(wired: Wired) -> None:
    async with wired:
        wired.operator()
        breaking = asyncio.create_task(again_and_again(wired.api.expire_watches, wired))
        await roll_out(wired)
        await cancelled(breaking)


async def again_and_again(happening: Callable[[], None], wired: Wired) -> None:
    while True:
        await wired.pause(4)
        happening()


async def test_an_api_server_that_is_down_for_a_while_is_waited_for(wired: Wired) -> None:
    async with wired:
        wired.operator()
        wired.apply(V1)
        await wired.until(lambda: wired.status().get("stable") == id_of(V1))
        wired.apply(V2)
        await wired.until(lambda: wired.status().get("stage") == "Canary")
        wired.api.fault = lambda call: Refusal(500) if call.resource is not LEASES else None
        wired.api.cut_watches()
        await wired.pause(5)
        assert wired.status()["stage"] == "Canary"
        wired.api.fault = lambda _: None
        await wired.until(lambda: wired.status().get("stable") == id_of(V2))


async def test_lists_come_page_by_page(wired: Wired) -> None:
    async with wired:
        wired.api.page_size = 2
        for number in range(5):
            wired.apply(V1, name=f"model-{number}")
        wired.operator()
        await wired.until(lambda: all(wired.status(f"model-{n}").get("stage") == "Live" for n in range(5)))


async def test_what_was_deleted_while_nobody_listened_is_not_kept(wired: Wired) -> None:
    """kopf lists anew after an expired watch, and tells nothing of what is no longer there."""
    async with wired:
        wired.operator()
        wired.apply(V1)
        await wired.until(lambda: wired.status().get("stable") == id_of(V1))
        wired.api.fault = lambda call: Lost.REQUEST if call.verb in ("watch", "list") else None
        wired.api.cut_watches()
        await wired.until(lambda: wired.api.watches == 0)
        wired.watchdog.deaf = True
        wired.store.delete(DEPLOYMENTS, namespace=NAMESPACE, name=child_name(NAME, id_of(V1)))
        wired.store.compact()
        wired.api.fault = lambda _: None
        await wired.until(lambda: wired.store.look(DEPLOYMENTS) != [])
