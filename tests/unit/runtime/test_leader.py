"""Electors that share one lease, on a server that compares resource versions as the real one does."""

import asyncio
import random
from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import datetime, timedelta

import pytest

from modelrollout.adapters.kubernetes import LEASES, Conflict, JsonObject, Resource, Unreachable
from modelrollout.runtime.leader import LeaderElector, LeaseTimes
from tests.clock import ManualClock, settle


class Server:
    """One lease."""

    def __init__(self) -> None:
        self.lease: JsonObject | None = None
        self.version = 0

    def store(self, body: JsonObject) -> JsonObject:
        self.version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self.version)}
        self.lease = {**deepcopy(body), "metadata": metadata}
        return deepcopy(self.lease)

    @property
    def spec(self) -> JsonObject:
        assert self.lease is not None
        spec: JsonObject = self.lease["spec"]
        return spec


class Wire:
    """The way of one process to the server, which can be cut, be slow or swallow answers."""

    def __init__(self, server: Server, clock: ManualClock) -> None:
        self._server = server
        self._clock = clock
        self.cut = False
        self.hangs = False
        self.loses_answers = False
        self.delay = 0.0
        self.requests = 0

    async def get(self, resource: Resource, *, namespace: str | None, name: str) -> JsonObject | None:
        assert (resource, namespace, name) == (LEASES, "ns", "leader")
        await self._travel()
        return deepcopy(self._server.lease)

    async def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        assert (body["apiVersion"], body["kind"]) == ("coordination.k8s.io/v1", "Lease")
        await self._travel()
        if self._server.lease is not None:
            raise Conflict(409, "AlreadyExists", "exists")
        return self._answer(self._server.store(body))

    async def replace(self, resource: Resource, body: JsonObject) -> JsonObject:
        await self._travel()
        if body["metadata"]["resourceVersion"] != str(self._server.version):
            raise Conflict(409, "Conflict", "changed")
        return self._answer(self._server.store(body))

    async def _travel(self) -> None:
        self.requests += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.delay:
            await self._clock.sleep(self.delay)
        if self.cut:
            raise Unreachable(0, "ClientError", "cut")

    def _answer(self, body: JsonObject) -> JsonObject:
        if self.loses_answers:
            raise Unreachable(0, "ServerDisconnectedError", "lost")
        return body


class SkewedClock(ManualClock):
    """Another machine: the same seconds, another date."""

    def __init__(self, clock: ManualClock, *, ahead: timedelta) -> None:
        self._clock = clock
        self._ahead = ahead

    def now(self) -> datetime:
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Process:
    def __init__(self, server: Server, clock: ManualClock, identity: str, *, ahead: timedelta = timedelta()) -> None:
        self.wire = Wire(server, clock)
        self.changes: list[bool] = []
        self.elector = LeaderElector(
            self.wire,
            SkewedClock(clock, ahead=ahead),
            namespace="ns",
            name="leader",
            identity=identity,
            on_change=self.changes.append,
        )
        self.task = asyncio.create_task(self.elector.run())

    @property
    def leads(self) -> bool:
        return self.elector.is_leader

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def kill(self) -> None:
        """As if the process had ended without a word."""
        self.wire.cut, self.wire.hangs, self.wire.delay = True, False, 0.0
        await self.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def processes() -> AsyncIterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        await process.kill()


async def test_the_first_one_leads_and_says_so_in_the_lease(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes.append(one := Process(server, clock, "one"))
    await asyncio.wait_for(one.elector.acquired(), 1)
    assert one.leads
    assert one.changes == [True]
    assert server.spec == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-24T12:00:00.000000Z",
        "renewTime": "2026-11-24T12:00:00.000000Z",
        "leaseTransitions": 0,
    }
    await clock.run(4)
    assert server.spec["renewTime"] == "2026-11-24T12:00:04.000000Z"
    assert server.spec["acquireTime"] == "2026-11-24T12:00:00.000000Z"
    assert one.leads


async def test_a_leader_asks_once_per_renewal(server: Server, clock: ManualClock, processes: list[Process]) -> None:
    processes.append(one := Process(server, clock, "one"))
    await clock.run(60)
    assert one.wire.requests == 2 + 30


async def test_a_standby_waits_while_the_leader_renews(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await settle()
    processes += [two := Process(server, clock, "two")]
    await clock.run(300)
    assert (one.leads, two.leads) == (True, False)
    assert two.changes == []
    assert server.spec["leaseTransitions"] == 0


async def test_after_a_kill_the_standby_takes_over_when_the_lease_has_run_out(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one"), two := Process(server, clock, "two")]
    await clock.run(10)
    await one.kill()
    await clock.run(14)
    assert not two.leads
    await clock.run(5)
    assert two.leads
    assert (server.spec["holderIdentity"], server.spec["leaseTransitions"]) == ("two", 1)


async def test_a_clean_stop_hands_over_within_one_retry(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one"), two := Process(server, clock, "two")]
    await clock.run(11)
    await one.stop()
    assert one.task.cancelled()
    assert (one.leads, one.elector.lost.is_set(), one.changes) == (False, True, [True, False])
    assert (server.spec["holderIdentity"], server.spec["leaseDurationSeconds"]) == ("", 1)
    await clock.run(2)
    assert two.leads
    assert (server.spec["leaseTransitions"], server.spec["leaseDurationSeconds"]) == (1, 15)


async def test_a_clean_stop_in_the_middle_of_a_renewal_hands_over_too(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await clock.run(3)
    one.wire.delay = 0.5
    await clock.run(1.2)
    stopping = asyncio.create_task(one.stop())
    await clock.run(2)
    await stopping
    assert server.spec["holderIdentity"] == ""


async def test_a_stop_while_the_server_is_away_does_not_hang(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await clock.run(3)
    one.wire.hangs = True
    stopping = asyncio.create_task(one.stop())
    await clock.run(2)
    assert stopping.done()
    await stopping
    assert not one.leads


async def test_stopping_a_standby_leaves_the_lease_alone(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [Process(server, clock, "one")]
    await settle()
    processes += [two := Process(server, clock, "two")]
    await clock.run(5)
    await two.stop()
    assert server.spec["holderIdentity"] == "one"
    assert (two.changes, two.elector.lost.is_set()) == ([], False)


@pytest.mark.parametrize("how", ["cut", "hangs"])
async def test_a_leader_that_cannot_renew_is_none_after_the_deadline_and_before_anybody_else_is(
    server: Server, clock: ManualClock, processes: list[Process], how: str
) -> None:
    processes += [one := Process(server, clock, "one"), two := Process(server, clock, "two")]
    await clock.run(10)
    setattr(one.wire, how, True)
    await clock.run(9.9)
    assert one.leads
    await clock.run(0.1)
    assert (one.leads, two.leads) == (False, False)
    assert one.elector.lost.is_set()
    assert one.changes == [True, False]
    assert one.task.done()
    await clock.run(8)
    assert two.leads


async def test_the_deadline_counts_from_when_the_last_good_renewal_began(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    """Others may have seen that renewal long before its answer came back."""
    processes += [one := Process(server, clock, "one")]
    await settle()
    one.wire.delay = 1.5
    await clock.run(3.6)
    assert server.spec["renewTime"] == "2026-11-24T12:00:02.000000Z"
    one.wire.delay, one.wire.cut = 0.0, True
    await clock.run(8.3)
    assert one.leads
    await clock.run(0.1)
    assert not one.leads


async def test_leadership_ends_by_the_clock_even_when_nothing_runs(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await settle()
    assert one.leads
    clock.advance(10)
    assert not one.leads


async def test_a_short_interruption_is_survived(server: Server, clock: ManualClock, processes: list[Process]) -> None:
    processes += [one := Process(server, clock, "one"), two := Process(server, clock, "two")]
    await clock.run(10)
    one.wire.cut = True
    await clock.run(7)
    one.wire.cut = False
    await clock.run(60)
    assert (one.leads, two.leads) == (True, False)


async def test_an_answer_that_was_lost_after_the_write_is_survived(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await clock.run(3)
    one.wire.loses_answers = True
    await clock.run(2)
    one.wire.loses_answers = False
    await clock.run(60)
    assert one.leads


async def test_a_lease_that_somebody_edited_is_still_ours(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await clock.run(3)
    assert server.lease is not None
    labelled = {**server.lease["metadata"], "labels": {"a": "b"}}
    server.store({**server.lease, "metadata": labelled})
    await clock.run(60)
    assert one.leads
    assert server.lease["metadata"]["labels"] == {"a": "b"}, "and the edit is kept"


async def test_a_lease_that_was_taken_away_is_lost_at_once(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await clock.run(3)
    assert server.lease is not None
    server.store({**server.lease, "spec": {**server.spec, "holderIdentity": "two"}})
    await clock.run(4)
    assert not one.leads
    assert one.elector.lost.is_set()
    assert server.spec["holderIdentity"] == "two", "what belongs to another is not released"


async def test_the_same_identity_takes_its_own_lease_over_at_once(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    await clock.run(3)
    await one.kill()
    processes += [again := Process(server, clock, "one")]
    await settle()
    assert again.leads
    assert server.spec["leaseTransitions"] == 0


@pytest.mark.parametrize("ahead", [timedelta(hours=-5), timedelta(hours=5), timedelta(days=4000)])
async def test_the_date_of_the_others_machine_does_not_matter(
    server: Server, clock: ManualClock, processes: list[Process], ahead: timedelta
) -> None:
    processes += [one := Process(server, clock, "one", ahead=ahead)]
    await settle()
    processes += [two := Process(server, clock, "two")]
    await clock.run(60)
    assert (one.leads, two.leads) == (True, False)
    await one.kill()
    await clock.run(14)
    assert not two.leads
    await clock.run(5)
    assert two.leads


async def test_of_two_who_reach_for_it_at_once_one_gets_it(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [Process(server, clock, "one"), Process(server, clock, "two")]
    for process in processes:
        process.wire.delay = 0.1
    await clock.run(1)
    assert sorted(process.leads for process in processes) == [False, True]


async def test_an_unreachable_server_is_asked_again_until_it_answers(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    one.wire.cut = True
    await clock.run(60)
    assert not one.leads
    one.wire.cut = False
    await clock.run(2)
    assert one.leads


async def test_a_question_that_hangs_is_given_up_and_asked_again(
    server: Server, clock: ManualClock, processes: list[Process]
) -> None:
    processes += [one := Process(server, clock, "one")]
    one.wire.hangs = True
    await clock.run(5)
    one.wire.hangs = False
    await clock.run(8)
    assert one.leads


@pytest.mark.parametrize("seed", range(25))
async def test_there_are_never_two(server: Server, clock: ManualClock, processes: list[Process], seed: int) -> None:
    """Three processes, each with a date of its own, whose wires break and heal; whoever lost starts anew."""
    dice = random.Random(seed)
    names = ["one", "two", "three"]
    processes += [Process(server, clock, name, ahead=timedelta(hours=dice.uniform(-9, 9))) for name in names]
    led = 0
    for _ in range(600):
        for place, process in enumerate(list(processes)):
            if dice.random() < 0.03:
                process.wire.cut = dice.random() < 0.25
                process.wire.hangs = dice.random() < 0.1
                process.wire.loses_answers = dice.random() < 0.15
                process.wire.delay = dice.choice([0.0, 0.3, 3.0])
            if dice.random() < 0.004 or process.task.done():
                await process.kill()
                processes[place] = Process(server, clock, f"{names[place]}-{clock.monotonic()}")
        await clock.run(0.25)
        leaders = sum(process.leads for process in processes)
        assert leaders <= 1
        led += leaders
    assert led > 100, "and yet there was somebody to lead"


def test_times_that_make_two_leaders_possible_are_refused() -> None:
    with pytest.raises(ValueError, match="renew_deadline_seconds < lease_seconds"):
        LeaseTimes(lease_seconds=10, renew_deadline_seconds=10)
