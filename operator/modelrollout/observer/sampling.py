"""Which requests are looked at: chosen by hash, so that every observer chooses alike and a test knows which."""

from hashlib import blake2b

from modelrollout.adapters.clock import Clock


def chance(key: str, purpose: str) -> float:
    """A number from 0 up to 1 that is even over keys, and independent for each purpose."""
    digest = blake2b(key.encode("utf-8", errors="surrogateescape"), digest_size=8, person=purpose.encode()[:16])
    return int.from_bytes(digest.digest(), "big") / 2**64


def key_of(body: bytes) -> str:
    """For a request without an id."""
    return blake2b(body, digest_size=16).hexdigest()


class TokenBucket:
    """At most `per_second`, of which those of one second may come at once."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._rate = per_second
        self._burst = max(1.0, per_second)
        self._clock = clock
        self._tokens = self._burst
        self._at = clock.monotonic()

    def take(self) -> bool:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
