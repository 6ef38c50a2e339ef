"""Requests that wait to be sent a second time. The oldest make way: a comparison is worth the same whichever it is of,
and what waits longest is least like what users send now.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modelrollout.observer.budget import Account

_REQUEST_BYTES = 2048
_HEADER_BYTES = 256


def overhead(headers: Mapping[str, str]) -> int:
    """What a request weighs beside its body: its headers, the objects that they are, and its place in the queue."""
    return _REQUEST_BYTES + sum(_HEADER_BYTES + len(name) + len(value) for name, value in headers.items())


@dataclass(frozen=True, slots=True)
class Sampled:
    """A request as it came. `target` is path and query; `key` is what chance is drawn from, its id or a hash of it."""

    key: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    account: Account


class Pending:
    """`on_drop` is called for each that made way."""

    def __init__(self, *, longest: int, on_drop: Callable[[], None]) -> None:
        self._waiting: deque[Sampled] = deque()
        self._longest = longest
        self._on_drop = on_drop
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, sampled: Sampled) -> None:
        while len(self._waiting) >= self._longest:
            self.drop_oldest()
        self._waiting.append(sampled)
        self._some.set()

    def drop_oldest(self) -> bool:
        """Whether there was one."""
        if not self._waiting:
            return False
        self._waiting.popleft().account.close()
        self._on_drop()
        return True

    def clear(self) -> None:
        while self.drop_oldest():
            pass

    async def get(self) -> Sampled:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()
