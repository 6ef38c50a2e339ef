"""The worst disagreements of this rollout, for the person who has to judge them. Few, short, redacted."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any

Example = dict[str, Any]

KEPT = 20


class Examples:
    """The most severe ones; of equal ones, those that came first."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._order = itertools.count()
        self._worst: list[tuple[float, int, Example]] = []

    def offer(self, severity: float, made: Callable[[], Example]) -> None:
        """`made` is asked only for one that is kept."""
        if len(self._worst) < self._kept:
            heapq.heappush(self._worst, (severity, -next(self._order), made()))
        elif severity > self._worst[0][0]:
            heapq.heapreplace(self._worst, (severity, -next(self._order), made()))

    def worst_first(self) -> list[Example]:
        return [example for _, _, example in sorted(self._worst, key=lambda one: (-one[0], -one[1]))]

    def clear(self) -> None:
        self._worst.clear()
