"""Says what a slow step is doing and for how long, on a terminal and in a log alike.

Steps do not nest: a person wants to know the one thing that is being waited for.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

HEARTBEAT_SECONDS = 30.0
_console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One plain line; standard error, so that standard output stays for results."""
    if _console.is_terminal:
        _console.print(text, markup=False)
    else:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Shows ``text`` with its running time until the block ends, then one line with the seconds it took."""
    began = time.monotonic()
    if _console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=_console, transient=True) as display:
            display.add_task(text, total=None)
            yield
    else:
        say(f"… {text}")
        with _heartbeat(text, began=began):
            yield
    say(f"✓ {text} ({time.monotonic() - began:.0f} s)")


@contextmanager
def _heartbeat(text: str, *, began: float) -> Iterator[None]:
    """A line now and then, because CI systems end jobs that print nothing for long."""
    finished = threading.Event()

    def beat() -> None:
        while not finished.wait(HEARTBEAT_SECONDS):
            say(f"  still at it: {text} ({time.monotonic() - began:.0f} s)")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
