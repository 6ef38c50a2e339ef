"""The parts of the observer, put together: intake, queue, replayers, pages, and the settings that may change."""

import asyncio
import contextlib
import logging
from typing import Any, Self

from modelrollout.adapters.clock import Clock
from modelrollout.api.observer import ObserverSettings
from modelrollout.observer.asking import Asker
from modelrollout.observer.assignment import Assignment
from modelrollout.observer.budget import Budget
from modelrollout.observer.connection import FIRST_REQUEST_SECONDS, MOST_CONNECTIONS, Listener
from modelrollout.observer.counting import DataCounts
from modelrollout.observer.examples import Examples
from modelrollout.observer.intake import BODY_SECONDS, Intake
from modelrollout.observer.options import Options
from modelrollout.observer.pages import Pages
from modelrollout.observer.pending import Pending
from modelrollout.observer.replay import IN_FLIGHT, Replayer
from modelrollout.observer.settings_file import SettingsFile
from modelrollout.observer.telemetry import Telemetry, What

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
LONGEST_QUEUE = 1000


class Observer:
    """All state of the process. `assign` is what a change of the settings does."""

    def __init__(self, clock: Clock, *, held_bytes: int) -> None:
        self._clock = clock
        self.pending = Pending(longest=LONGEST_QUEUE, on_drop=self.dropped)
        self.budget = Budget(held_bytes, make_room=self.pending.drop_oldest)
        self.telemetry = Telemetry(held=lambda: self.budget.held, pending=lambda: len(self.pending))
        self.counts = DataCounts()
        self.telemetry.registry.register(self.counts)
        self.examples = Examples()
        self.assignment: Assignment | None = None

    def assign(self, settings: ObserverSettings) -> None:
        """What was known of other versions goes; the same versions compared otherwise go on where they were."""
        assignment = Assignment(settings, self._clock)
        self.telemetry.begin(assignment.names, (how.label for how in assignment.comparator.comparisons))
        self.counts.begin(
            settings.deployment,
            assignment.documents,
            assignment.protocol,
            inputs_of=assignment.about.revision,
            outputs_of=(
                arm.revision for arm in (assignment.live, assignment.candidate) if arm and assignment.candidate
            ),
        )
        if self.assignment is None or self.assignment.names != assignment.names:
            self.pending.clear()
            self.examples.clear()
        self.assignment = assignment
        against = f"against {assignment.names.candidate}" if assignment.candidate else "alone"
        log.info("observing %s/%s: %s %s", settings.namespace, settings.deployment, assignment.names.live, against)

    def disagreements(self) -> dict[str, Any]:
        names = self.assignment.names if self.assignment else None
        return {
            "modeldeployment": names.deployment if names else None,
            "live": names.live if names else None,
            "candidate": names.candidate if names else None,
            "disagreements": self.examples.worst_first(),
        }

    def dropped(self) -> None:
        self.telemetry.request(What.DROPPED)


class Program:
    """Listens and works while it is entered. Times and limits are parameters for tests."""

    def __init__(
        self,
        observer: Observer,
        file: SettingsFile,
        options: Options,
        clock: Clock,
        *,
        port: int,
        first_request_seconds: float = FIRST_REQUEST_SECONDS,
        body_seconds: float = BODY_SECONDS,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self._observer = observer
        self._file = file
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        intake = Intake(
            assignment=lambda: observer.assignment,
            pending=observer.pending,
            budget=observer.budget,
            telemetry=observer.telemetry,
            body_seconds=body_seconds,
        )
        self.listener = Listener(
            intake,
            host=options.host,
            port=port,
            first=first_request_seconds,
            most=most_connections,
            on_refused=observer.dropped,
        )
        self.pages = Pages(
            alive=lambda: "a part of the observer ended" if self.ended else None,
            exposition=observer.telemetry.exposition,
            disagreements=observer.disagreements,
            host=options.host,
            port=options.metrics_port,
        )

    @property
    def ended(self) -> list[asyncio.Task[None]]:
        """Parts that should not have ended."""
        return [task for task in self._tasks if task.done()]

    async def __aenter__(self) -> Self:
        observer, clock = self._observer, self._clock
        async with contextlib.AsyncExitStack() as stack:
            asker = Asker.create(clock)
            stack.push_async_callback(asker.close)
            replayer = Replayer(
                assignment=lambda: observer.assignment,
                pending=observer.pending,
                asker=asker,
                budget=observer.budget,
                telemetry=observer.telemetry,
                examples=observer.examples,
                counts=observer.counts,
                clock=clock,
            )
            self._tasks += [asyncio.create_task(replayer.run()) for _ in range(IN_FLIGHT)]
            self._tasks.append(asyncio.create_task(self._follow()))
            stack.push_async_callback(self._cancel)
            for server in (self.pages, self.listener):
                await server.start()
                stack.push_async_callback(server.stop)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def wait(self, stop: asyncio.Event) -> bool:
        """Until told to stop; False when a part ended before that."""
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([*self._tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return stop.is_set()

    async def _follow(self) -> None:
        while True:
            await self._clock.sleep(POLL_SECONDS)
            settings = self._file.changed()
            if settings is not None:
                self._observer.assign(settings)
            self._observer.telemetry.settings_are(valid=self._file.problem is None)

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
