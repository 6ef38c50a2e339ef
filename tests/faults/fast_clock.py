"""Real time in fast motion, for what cannot be held in virtual time: kopf, and connections."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class FastClock:
    """`speed` seconds of this clock pass in each real one."""

    def __init__(self, speed: float = 10.0) -> None:
        self._speed = speed
        self._began_at = time.monotonic()
        self._start = datetime.now(UTC)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._began_at) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._speed)
