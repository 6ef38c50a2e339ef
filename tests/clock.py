"""A clock that moves when the test says so.

`advance` moves time at once and lets everybody whose sleep is over go on; `run` does it from one sleeper to the next,
and between them gives the event loop turns until those that were woken have come to rest.
"""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
_TURNS = 50


async def settle() -> None:
    """Give the loop enough turns for whatever is ready to go on until it waits again."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class ManualClock:
    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic = 1000.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), woken))
        await woken

    @property
    def sleepers(self) -> int:
        """How many are asleep now."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
        while self._sleepers and self._sleepers[0][0] <= self._monotonic + 1e-9:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    def set_wall(self, now: datetime) -> None:
        """Wall time jumps, as when somebody sets the clock; nobody's sleep is affected."""
        self._now = now

    async def run(self, seconds: float) -> None:
        """Let time pass, stopping at each sleeper on the way."""
        end = self._monotonic + seconds
        await settle()
        while (following := self._next()) is not None and following <= end + 1e-9:
            self.advance(max(0.0, following - self._monotonic))
            await settle()
        self.advance(max(0.0, end - self._monotonic))
        await settle()

    def _next(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None
