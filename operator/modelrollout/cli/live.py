"""A live view: a picture that is drawn anew whenever something changed.

The API server tells by a watch, which a thread follows. On a terminal the picture is also drawn every second, so that
its ages go on; into a pipe each picture is written once, with an empty line between two of them.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from modelrollout.adapters.kubernetes.errors import ApiError, Forbidden
from modelrollout.adapters.kubernetes.resources import MODEL_DEPLOYMENTS
from modelrollout.cli.cluster import Cluster
from modelrollout.cli.terminal import Colour, Terminal

WATCH_SECONDS = 300.0
_TICK_SECONDS = 1.0
_AGAIN_SECONDS = 2.0

Seen = TypeVar("Seen")


class Changes:
    """What a watch told since it was last asked: nothing, that something changed, or why it cannot tell."""

    def __init__(self, cluster: Cluster, *, namespace: str | None, name: str | None) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._selector = f"metadata.name={name}" if name else ""
        self._told: queue.SimpleQueue[ApiError | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        threading.Thread(target=self._follow, daemon=True).start()

    def wait(self, seconds: float | None) -> ApiError | Literal[False] | None:
        """None when something changed, False when nothing did for so long. Changes that came together are one."""
        try:
            told = self._told.get(timeout=seconds)
            while not self._told.empty():
                told = self._told.get_nowait()
        except queue.Empty:
            return False
        return told

    def stop(self) -> None:
        self._stopped.set()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                events = self._cluster.api.watch(
                    MODEL_DEPLOYMENTS, namespace=self._namespace, seconds=WATCH_SECONDS, field_selector=self._selector
                )
                for _ in events:
                    self._told.put(None)
            except ApiError as error:
                self._told.put(error)
                self._stopped.wait(_AGAIN_SECONDS)


def show(
    changes: Changes, fetch: Callable[[], Seen], picture: Callable[[Seen], Iterable[str]], screen: Terminal
) -> None:
    """Until it is interrupted. A server that does not answer for a while is waited for; a missing right is not."""
    seen = fetch()
    shown = _draw(list(picture(seen)), screen, first=True)
    trouble: ApiError | None = None
    while True:
        told = changes.wait(_TICK_SECONDS if screen.interactive else None)
        if told is not False:
            try:
                trouble = told
                seen = fetch()
            except Forbidden:
                raise
            except ApiError as error:
                trouble = error
        if isinstance(trouble, Forbidden):
            raise trouble
        note = [screen.colour(f"as last seen: {trouble.message}", Colour.YELLOW)] if trouble else []
        lines = [*picture(seen), *note]
        if lines != shown:
            shown = _draw(lines, screen, first=False)


def _draw(lines: list[str], screen: Terminal, *, first: bool) -> list[str]:
    screen.again()
    screen.lines(lines if first or screen.interactive else ["", *lines])
    screen.flush()
    return lines
