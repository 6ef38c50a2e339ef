"""A token bucket for writes: a hundred rollouts that turn at one moment must not crowd others out of the API server."""

from modelrollout.adapters.clock import Clock


class TokenBucket:
    """At most `burst` at once and `per_second` in the long run, first come, first served."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()

    async def take(self) -> None:
        """A caller that must wait holds its place: the level goes below zero by those who are waiting."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second) - 1.0
        self._filled_at = now
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / self._per_second)
