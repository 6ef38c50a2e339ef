"""Workers: take a key, reconcile it, decide when it comes again. One key is never reconciled twice at once."""

import asyncio
import logging

from modelrollout.adapters.clock import Clock
from modelrollout.adapters.kubernetes import ApiError, Conflict, TooManyRequests
from modelrollout.adapters.tracing import NO_TRACER, Span, Tracer
from modelrollout.runtime.queue import Key, WorkQueue
from modelrollout.runtime.reconcile import Reconciler
from modelrollout.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
"""A reconcile that takes longer is given up and tried again: one that hangs must not hold its worker for ever."""


class Workers:
    def __init__(
        self,
        *,
        queue: WorkQueue,
        reconciler: Reconciler,
        clock: Clock,
        telemetry: Telemetry,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._clock = clock
        self._telemetry = telemetry
        self._tracer = tracer
        self._turned_at = clock.monotonic()

    def stuck(self) -> str | None:
        """For the health check: work is due, and no worker began or finished any for longer than two deadlines."""
        silent = self._clock.monotonic() - self._turned_at
        if self._queue.depth == 0 or silent <= 2 * DEADLINE_SECONDS:
            return None
        return f"{self._queue.depth} rollouts are due, and none was begun or finished for {silent:.0f} s"

    async def run(self, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._turned_at = self._clock.monotonic()
            try:
                await self.process(key)
                self._turned_at = self._clock.monotonic()
            finally:
                self._queue.done(key)

    async def process(self, key: Key) -> None:
        began = self._clock.monotonic()
        namespace, name = key
        with self._tracer.span("reconcile", namespace=namespace, name=name) as span:
            result = await self._result(key, span)
            span.set(result=result)
        self._telemetry.reconciled(result=result, seconds=self._clock.monotonic() - began)

    async def _result(self, key: Key, span: Span) -> str:
        """Reconcile it and put it where it belongs next; in one word, how it went."""
        result = "ok"
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                again = await self._reconciler.reconcile(key, span)
        except Conflict as error:
            # Planned from a state that somebody has changed since; the watch brings the new one, and wakes us.
            result = "conflict"
            span.fail(str(error))
            self._queue.retry(key)
        except TooManyRequests as error:
            result = "throttled"
            span.fail(str(error))
            self._queue.retry(key, at_least_seconds=error.retry_after_seconds)
        except ApiError as error:
            result = "error"
            span.fail(str(error))
            log.warning("%s/%s: %s; trying again", *key, error)
            self._queue.retry(key)
        except TimeoutError:
            result = "deadline"
            span.fail(f"gave up after {DEADLINE_SECONDS:g} s")
            log.warning("%s/%s: gave up after %g s; trying again", *key, DEADLINE_SECONDS)
            self._queue.retry(key)
        except Exception as error:
            # One rollout's fault must not stop the others.
            result = "fault"
            span.fail(f"{type(error).__name__}: {error}")
            log.exception("%s/%s: could not be reconciled", *key)
            self._queue.retry(key)
        else:
            self._queue.forget(key)
            if again is not None:
                self._queue.add_after(key, again)
        return result
