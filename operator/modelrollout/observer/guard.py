"""When to leave a version alone: sampling must not be what slows it down.

A version is asked no more for a while after several answers in a row that a busy server gives (none in time, no
connection, 429, 503), or when its slowest answers take a multiple of what they took at its best. Plain errors are no
reason: that a candidate fails is what has to be seen. Each pause is twice as long as the one before, up to a limit, and
what counts as slow grows a little with each, so that a version that has become slow for good is compared again.
"""

from enum import StrEnum

from modelrollout.adapters.clock import Clock

IN_A_ROW = 5
BLOCK = 50
"""Answers that are looked at together."""

TIMES_SLOWER = 3.0
LEAST_SECONDS = 0.02
"""Times below this are not told apart: they are made of the network and of ourselves."""

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
FORGETTING = 1.25


class Guard:
    """Of one version. `pauses` counts how often it was left alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._busy = 0
        self._block: list[float] = []
        self._base: float | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._until = 0.0
        self.pauses = 0

    @property
    def pausing(self) -> bool:
        return self._clock.monotonic() < self._until

    def answered(self, seconds: float) -> None:
        """Any answer, whatever it says, but that it is too busy."""
        self._busy = 0
        self._block.append(seconds)
        if len(self._block) < BLOCK:
            return
        slow, self._block = sorted(self._block)[-1 - BLOCK // 50], []
        base = max(LEAST_SECONDS, slow if self._base is None else self._base)
        if slow > TIMES_SLOWER * base:
            self._base = base * FORGETTING
            self._leave_alone()
        else:
            self._base = min(base, max(LEAST_SECONDS, slow))
            self._pause = FIRST_PAUSE_SECONDS

    def busy(self) -> None:
        """No answer in time, no connection, or an answer that says so."""
        self._busy += 1
        if self._busy >= IN_A_ROW:
            self._leave_alone()

    def _leave_alone(self) -> None:
        if self.pausing:
            return
        self._until = self._clock.monotonic() + self._pause
        self._pause = min(LONGEST_PAUSE_SECONDS, 2 * self._pause)
        self._busy, self._block = 0, []
        self.pauses += 1


class Side(StrEnum):
    LIVE = "live"
    CANDIDATE = "candidate"
