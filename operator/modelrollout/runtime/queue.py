"""Which object to look at next.

The queue holds keys, never events: what is true now is read when a key's turn comes, so ten events about one object
are one look at it. A key is handed to one worker at a time; if it is added meanwhile, it comes again once that worker
is done. What is to be looked at later waits here too, each key with one appointment, the earliest that was made.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from typing import NamedTuple

from modelrollout.adapters.clock import Clock

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""

_MAX_DOUBLINGS = 32
_SLACK = 64  # cancelled appointments that the calendar may hold beside as many as there are real ones


class _Appointment(NamedTuple):
    """Ordered by time, and those of one time by when they were made."""

    at: float
    number: int
    key: Key


class WorkQueue:
    """For one event loop. `get` and `done` come in pairs; all else may be called at any time."""

    def __init__(
        self,
        clock: Clock,
        *,
        first_retry_seconds: float = 0.5,
        last_retry_seconds: float = 30.0,
        dice: random.Random | None = None,
    ) -> None:
        """The longest wait is short: a way back may be among what failed, and must not wait long for a server that is
        there again.
        """
        self._clock = clock
        self._first_retry_seconds = first_retry_seconds
        self._last_retry_seconds = last_retry_seconds
        self._dice = dice or random.Random()
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()  # in `_ready`, or to be put there once done
        self._processing: set[Key] = set()
        self._workers: deque[asyncio.Future[None]] = deque()
        self._failures: dict[Key, int] = {}
        self._appointments: dict[Key, _Appointment] = {}
        self._calendar: list[_Appointment] = []  # a heap; may hold some that were moved or cancelled
        self._order = itertools.count()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = 0.0

    @property
    def depth(self) -> int:
        """How many keys are due and not being worked on."""
        return len(self._ready)

    def add(self, key: Key) -> None:
        """Look at it as soon as a worker is free."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._processing:
            self._make_ready(key)

    def add_after(self, key: Key, delay_seconds: float) -> None:
        """Look at it then, or when an earlier appointment says."""
        if delay_seconds <= 0:
            self.add(key)
            return
        at = self._clock.monotonic() + delay_seconds
        if key in self._appointments and self._appointments[key].at <= at:
            return
        appointment = self._appointments[key] = _Appointment(at, next(self._order), key)
        heapq.heappush(self._calendar, appointment)
        if len(self._calendar) > _SLACK + 2 * len(self._appointments):
            self._calendar = sorted(self._appointments.values())
        self._set_timer()

    def cancel_after(self, key: Key) -> None:
        """Forget its appointment; a key that is already due stays due."""
        self._appointments.pop(key, None)

    async def get(self) -> Key:
        """The key that has been due for longest. Call `done` with it, whatever happens."""
        while not self._ready:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._workers.append(woken)
            try:
                await woken
            except asyncio.CancelledError:
                # Woken and cancelled in the same turn: the key is somebody else's then.
                if woken.done() and not woken.cancelled():
                    self._wake_a_worker()
                raise
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: Key) -> None:
        self._processing.discard(key)
        if key in self._waiting:
            self._make_ready(key)

    def retry(self, key: Key, *, at_least_seconds: float = 0.0) -> float:
        """Look at it again after a time that doubles with each failure. Gives that time in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        doubled = self._first_retry_seconds * 2.0 ** min(failures, _MAX_DOUBLINGS)
        # Many objects that failed together, because the API server was away, must not come back together.
        spread = min(self._last_retry_seconds, doubled) * self._dice.uniform(0.75, 1.0)
        delay = max(at_least_seconds, spread)
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """It went well: the next failure is a first one again."""
        self._failures.pop(key, None)

    async def close(self) -> None:
        """No appointment comes due any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            await asyncio.wait([timer])

    def _make_ready(self, key: Key) -> None:
        self._ready.append(key)
        self._wake_a_worker()

    def _wake_a_worker(self) -> None:
        while self._workers:
            woken = self._workers.popleft()
            if not woken.done():
                woken.set_result(None)
                return

    def _set_timer(self) -> None:
        at = self._calendar[0].at
        if self._timer is not None and not self._timer.done():
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().create_task(self._keep_appointments())

    async def _keep_appointments(self) -> None:
        while self._calendar:
            self._timer_at = self._calendar[0].at
            await self._clock.sleep(self._timer_at - self._clock.monotonic())
            now = self._clock.monotonic()
            while self._calendar and self._calendar[0].at <= now:
                appointment = heapq.heappop(self._calendar)
                if self._appointments.get(appointment.key) == appointment:
                    del self._appointments[appointment.key]
                    self.add(appointment.key)
