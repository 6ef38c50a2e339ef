"""One change at a time: two commands that make or remove the same cluster would undo each other's work."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.progress import say


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Holds the cache folder's lock. The kernel releases it when the process ends, however it ends."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another command is changing the cluster; waiting for it to finish.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
