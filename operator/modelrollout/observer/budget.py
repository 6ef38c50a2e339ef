"""The one limit on memory: bytes of bodies that are held anywhere, while they arrive, wait, and are compared.

Who wants to hold bytes takes them first, and does without them when there are none left. So the limit holds whatever is
sent and however slowly; everything else that is held is bounded by counts.
"""

from collections.abc import Callable


class Budget:
    """`peak` is the most that was ever held. `make_room` lets go of something that is held, if it can: what waits makes
    way for what arrives and for the answers to what was asked.
    """

    def __init__(self, limit: int, make_room: Callable[[], bool] = lambda: False) -> None:
        self.limit = limit
        self.held = 0
        self.peak = 0
        self._make_room = make_room

    def take(self, size: int) -> bool:
        """Whether there was room; nothing is taken otherwise."""
        if size > self.limit:
            return False
        while self.held + size > self.limit:
            if not self._make_room():
                return False
        self.held += size
        self.peak = max(self.peak, self.held)
        return True

    def give_back(self, size: int) -> None:
        self.held -= size


class Account:
    """What one holder has taken, given back all at once."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size = 0

    def take(self, size: int) -> bool:
        if not self._budget.take(size):
            return False
        self.size += size
        return True

    def close(self) -> None:
        """Closing twice gives back once."""
        self._budget.give_back(self.size)
        self.size = 0
