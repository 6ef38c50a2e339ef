"""The queue's promises, with time standing still until a test moves it."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.runtime.queue import Key, WorkQueue
from tests.clock import ManualClock, settle

A, B, C = ("ns", "a"), ("ns", "b"), ("ns", "c")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def queue(clock: ManualClock) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(clock, dice=random.Random(1))
    yield queue
    await queue.close()


async def due(queue: WorkQueue) -> list[Key]:
    """Take and finish everything that is due now."""
    taken: list[Key] = []
    while queue.depth:
        taken.append(await queue.get())
        queue.done(taken[-1])
    return taken


async def test_first_come_first_served_and_once_each(queue: WorkQueue) -> None:
    for key in (A, B, A, C, B):
        queue.add(key)
    assert queue.depth == 3
    assert await due(queue) == [A, B, C]
    assert queue.depth == 0


async def test_a_key_is_never_worked_on_twice_at_once_and_not_lost(queue: WorkQueue) -> None:
    queue.add(A)
    assert await queue.get() == A
    queue.add(A)
    queue.add(A)
    assert queue.depth == 0
    queue.add(B)
    assert await queue.get() == B
    queue.done(B)
    queue.done(A)
    assert await due(queue) == [A]


async def test_a_key_that_was_not_added_meanwhile_does_not_come_again(queue: WorkQueue) -> None:
    queue.add(A)
    assert await due(queue) == [A]
    assert queue.depth == 0


async def test_get_waits_and_each_key_wakes_one_worker(queue: WorkQueue) -> None:
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await settle()
    queue.add(A)
    queue.add(B)
    await settle()
    assert [worker.done() for worker in workers] == [True, True, False]
    assert {worker.result() for worker in workers[:2]} == {A, B}
    queue.add(C)
    assert await workers[2] == C


async def test_a_worker_that_is_cancelled_takes_no_key_along(queue: WorkQueue) -> None:
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await settle()
    queue.add(A)
    first.cancel()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert second.result() == A


async def test_later_is_later(queue: WorkQueue, clock: ManualClock) -> None:
    queue.add_after(A, 5)
    queue.add_after(B, 2)
    await clock.run(1.9)
    assert await due(queue) == []
    await clock.run(0.1)
    assert await due(queue) == [B]
    await clock.run(3)
    assert await due(queue) == [A]
    await clock.run(60)
    assert await due(queue) == []


async def test_the_earliest_appointment_counts(queue: WorkQueue, clock: ManualClock) -> None:
    queue.add_after(A, 10)
    await settle()
    queue.add_after(A, 3)
    queue.add_after(A, 7)
    await clock.run(3)
    assert await due(queue) == [A]
    await clock.run(60)
    assert await due(queue) == []


async def test_an_appointment_without_delay_is_now(queue: WorkQueue) -> None:
    queue.add_after(A, 0)
    queue.add_after(B, -3)
    assert await due(queue) == [A, B]


async def test_a_cancelled_appointment_is_not_kept_and_can_be_made_anew(queue: WorkQueue, clock: ManualClock) -> None:
    queue.add_after(A, 3)
    queue.cancel_after(A)
    queue.cancel_after(B)
    queue.add_after(A, 5)
    await clock.run(3)
    assert await due(queue) == []
    await clock.run(2)
    assert await due(queue) == [A]


async def test_cancelling_an_appointment_leaves_what_is_due(queue: WorkQueue) -> None:
    queue.add(A)
    queue.cancel_after(A)
    assert await due(queue) == [A]


async def test_an_appointment_that_comes_due_while_worked_on_is_kept(queue: WorkQueue, clock: ManualClock) -> None:
    queue.add(A)
    assert await queue.get() == A
    queue.add_after(A, 1)
    await clock.run(1)
    assert queue.depth == 0
    queue.done(A)
    assert await due(queue) == [A]


async def test_a_wall_clock_that_jumps_moves_no_appointment(queue: WorkQueue, clock: ManualClock) -> None:
    queue.add_after(A, 5)
    clock.set_wall(clock.now().replace(year=2030))
    await clock.run(4.9)
    assert await due(queue) == []
    await clock.run(0.1)
    assert await due(queue) == [A]


async def test_retries_double_up_to_half_a_minute_and_start_anew_after_success(queue: WorkQueue) -> None:
    delays = [queue.retry(A) for _ in range(60)]
    for attempt, delay in enumerate(delays):
        longest = min(30.0, 0.5 * 2**attempt)
        assert 0.75 * longest <= delay <= longest
    assert len(set(delays[-10:])) == 10, "the delays are spread"
    queue.forget(A)
    queue.forget(B)
    assert queue.retry(A) <= 0.5


async def test_a_retry_comes_back_after_its_delay(queue: WorkQueue, clock: ManualClock) -> None:
    delay = queue.retry(A)
    await clock.run(delay - 0.01)
    assert await due(queue) == []
    await clock.run(0.01)
    assert await due(queue) == [A]


async def test_a_retry_waits_as_long_as_the_server_asked_for(queue: WorkQueue) -> None:
    assert queue.retry(A, at_least_seconds=17) == 17
    assert queue.retry(B, at_least_seconds=0.001) >= 0.375


async def test_appointments_that_are_made_and_cancelled_for_ever_do_not_pile_up(
    queue: WorkQueue, clock: ManualClock
) -> None:
    queue.add_after(B, 3)
    for _ in range(10_000):
        queue.cancel_after(A)
        queue.add_after(A, 600)
    assert len(queue._calendar) < 100
    await clock.run(3)
    assert await due(queue) == [B]
    await clock.run(597)
    assert await due(queue) == [A]


async def test_after_close_no_appointment_is_kept(queue: WorkQueue, clock: ManualClock) -> None:
    queue.add_after(A, 1)
    await queue.close()
    await queue.close()
    await clock.run(2)
    assert await due(queue) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abc")),
        st.tuples(st.just("after"), st.sampled_from("abc"), st.sampled_from([0.0, 1.0, 2.0, 5.0])),
        st.tuples(st.just("get")),
        st.tuples(st.just("done"), st.sampled_from("abc")),
        st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, 3.0])),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_nothing_is_lost_doubled_or_late(steps: list[tuple[object, ...]]) -> None:
    asyncio.run(_follow(steps))


async def _follow(steps: list[tuple[object, ...]]) -> None:
    """Beside the queue runs a model of it: what is due, what is being worked on, when each appointment is."""
    clock = ManualClock()
    queue = WorkQueue(clock)
    due_now: set[str] = set()
    working: set[str] = set()
    appointments: dict[str, float] = {}
    for step in steps:
        match step:
            case ("add", str(name)):
                queue.add(("ns", name))
                due_now.add(name)
            case ("after", str(name), float(delay)):
                queue.add_after(("ns", name), delay)
                if delay == 0:
                    due_now.add(name)
                else:
                    at = clock.monotonic() + delay
                    appointments[name] = min(at, appointments.get(name, at))
            case ("get",):
                if due_now - working:
                    key = await asyncio.wait_for(queue.get(), 1)
                    assert key[1] in due_now - working
                    due_now.discard(key[1])
                    working.add(key[1])
                else:
                    assert queue.depth == 0
            case ("done", str(name)):
                if name in working:
                    queue.done(("ns", name))
                    working.discard(name)
            case ("pass", float(seconds)):
                await clock.run(seconds)
                kept = {name for name, at in appointments.items() if at <= clock.monotonic()}
                due_now |= kept
                appointments = {name: at for name, at in appointments.items() if name not in kept}
        assert queue.depth == len(due_now - working)
    await queue.close()
