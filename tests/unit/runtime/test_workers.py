"""What becomes of a key after its reconcile, for each way in which one can end."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from modelrollout.adapters.kubernetes import (
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooManyRequests,
    Unreachable,
)
from modelrollout.adapters.tracing import NO_SPAN, Span
from modelrollout.runtime import workers
from modelrollout.runtime.queue import Key, WorkQueue
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.telemetry import Telemetry
from modelrollout.runtime.workers import DEADLINE_SECONDS, Workers
from tests.clock import ManualClock, settle

FRAUD, CHURN = ("a", "fraud"), ("a", "churn")

Ending = float | None | Exception | asyncio.Event


@dataclass
class Script:
    """Reconciles that end as they are told; an event is waited for."""

    endings: dict[Key, Ending] = field(default_factory=dict)
    done: list[Key] = field(default_factory=list)

    async def reconcile(self, key: Key, span: Span = NO_SPAN) -> float | None:
        self.done.append(key)
        ending = self.endings.get(key)
        if isinstance(ending, Exception):
            raise ending
        if isinstance(ending, asyncio.Event):
            await ending.wait()
            return None
        return ending


class Shop:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.queue = WorkQueue(self.clock)
        self.script = Script()
        self.telemetry = Telemetry()
        self.workers = Workers(
            queue=self.queue, reconciler=cast(Reconciler, self.script), clock=self.clock, telemetry=self.telemetry
        )

    def counted(self, result: str) -> float:
        return self.telemetry.registry.get_sample_value("modelrollout_reconcile_total", {"result": result}) or 0.0

    async def seconds_until_again(self) -> float | None:
        """When FRAUD is due again, None if it is not within ten minutes."""
        for tenth in range(6000):
            if self.queue.depth:
                return tenth / 10
            await self.clock.run(0.1)
        return None


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize(
    ("ending", "result", "again"),
    [
        (None, "ok", None),
        (0.0, "ok", (0.0, 0.0)),
        (7.0, "ok", (7.0, 7.1)),
        (Conflict(409, "Conflict", ""), "conflict", (0.3, 0.6)),
        (TooManyRequests(429, "TooManyRequests", "", retry_after_seconds=9), "throttled", (9.0, 9.1)),
        (Unreachable(0, "ClientError", ""), "error", (0.3, 0.6)),
        (NotFound(404, "NotFound", ""), "error", (0.3, 0.6)),
        (Invalid(422, "Invalid", ""), "error", (0.3, 0.6)),
        (Forbidden(403, "Forbidden", ""), "error", (0.3, 0.6)),
        (ApiError(418, "Teapot", ""), "error", (0.3, 0.6)),
        (ValueError("a bug of ours"), "fault", (0.3, 0.6)),
    ],
    ids=repr,
)
async def test_each_ending_has_its_own_next_time(
    shop: Shop, ending: Ending, result: str, again: tuple[float, float] | None
) -> None:
    shop.script.endings[FRAUD] = ending
    await shop.workers.process(FRAUD)
    assert shop.counted(result) == 1
    next_time = await shop.seconds_until_again()
    if again is None:
        assert next_time is None
    else:
        assert next_time is not None
        assert again[0] <= next_time <= again[1] + 1e-6
    await shop.queue.close()


@pytest.mark.parametrize("ending", [Unreachable(500, "", ""), Conflict(409, "", ""), ValueError("a bug")], ids=repr)
async def test_failures_in_a_row_are_further_and_further_apart_and_a_success_ends_the_row(
    shop: Shop, ending: Exception
) -> None:
    times = []
    shop.script.endings[FRAUD] = ending
    for _ in range(5):
        await shop.workers.process(FRAUD)
        times.append(await shop.seconds_until_again() or 0.0)
        shop.queue.done(await shop.queue.get())
    assert times == sorted(times)
    assert times[-1] > 8 * times[0]
    shop.script.endings[FRAUD] = None
    await shop.workers.process(FRAUD)
    shop.script.endings[FRAUD] = ending
    await shop.workers.process(FRAUD)
    assert (await shop.seconds_until_again() or 0.0) <= 0.6
    await shop.queue.close()


async def test_a_broken_object_does_not_keep_the_others_waiting(shop: Shop) -> None:
    shop.script.endings = {FRAUD: RuntimeError("cannot be reconciled"), CHURN: None}
    running = asyncio.create_task(shop.workers.run(1))
    for _ in range(3):
        shop.queue.add(FRAUD)
        shop.queue.add(CHURN)
        await settle()
    assert shop.script.done.count(CHURN) == 3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await shop.queue.close()


async def test_a_reconcile_that_hangs_holds_one_worker_and_no_other(shop: Shop) -> None:
    shop.script.endings = {FRAUD: asyncio.Event(), CHURN: None}
    running = asyncio.create_task(shop.workers.run(2))
    shop.queue.add(FRAUD)
    await settle()
    shop.queue.add(CHURN)
    await settle()
    assert shop.script.done == [FRAUD, CHURN]
    shop.queue.add(FRAUD)
    await settle()
    assert shop.script.done == [FRAUD, CHURN], "one key is never reconciled twice at once"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await shop.queue.close()


async def test_a_reconcile_that_hangs_is_given_up_after_the_deadline(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "DEADLINE_SECONDS", 0.01)
    shop.script.endings[FRAUD] = asyncio.Event()
    await shop.workers.process(FRAUD)
    assert shop.counted("deadline") == 1
    assert await shop.seconds_until_again() is not None
    await shop.queue.close()


async def test_workers_are_stuck_only_when_work_is_due_and_nobody_finishes_any(shop: Shop) -> None:
    await shop.clock.run(10 * DEADLINE_SECONDS)
    assert shop.workers.stuck() is None, "nothing is due"
    shop.queue.add(FRAUD)
    shop.queue.add(CHURN)
    assert shop.workers.stuck() is not None
    running = asyncio.create_task(shop.workers.run(1))
    await settle()
    shop.queue.add(FRAUD)
    assert shop.workers.stuck() is None, "one was finished a moment ago"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await shop.queue.close()


async def test_work_that_has_just_begun_after_a_quiet_time_is_no_sign_of_being_stuck(shop: Shop) -> None:
    shop.script.endings[FRAUD] = asyncio.Event()
    running = asyncio.create_task(shop.workers.run(1))
    await settle()
    await shop.clock.run(10 * DEADLINE_SECONDS)
    shop.queue.add(FRAUD)
    shop.queue.add(CHURN)
    await settle()
    assert (shop.queue.depth, shop.workers.stuck()) == (1, None)
    await shop.clock.run(2 * DEADLINE_SECONDS + 1)
    assert shop.workers.stuck() == "1 rollouts are due, and none was begun or finished for 121 s"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await shop.queue.close()
