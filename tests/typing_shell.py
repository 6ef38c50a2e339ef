"""A shell in a terminal, at which a test types, and reads what there is to see."""

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 30.0
READY = "-ready-"
CLEAR, TAB = "\x15", "\t"


class TypingShell:
    """`setup` is one line that the shell runs first. To be entered."""

    def __init__(self, command: Sequence[str], setup: str, environ: Mapping[str, str]) -> None:
        self._command = command
        self._setup = setup
        self._environ = {**environ, "TERM": "dumb", "COLUMNS": "400", "LINES": "50"}
        self._pid = self._terminal = 0

    def __enter__(self) -> Self:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(self._command[0], list(self._command), self._environ)
        half = len(READY) // 2
        # In two halves, so that the line itself is not taken for what it prints.
        self._see(f"stty columns 400; {self._setup}; echo '{READY[:half]}''{READY[half:]}'\n", READY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._terminal)
        os.waitpid(self._pid, 0)

    def completes(self, line: str, shown: str) -> None:
        """On an empty line, this is typed and then the key for completion; `shown` appears."""
        self._see(f"{CLEAR}{line}{TAB}", shown)

    def _see(self, typed: str, shown: str) -> None:
        os.write(self._terminal, typed.encode())
        seen, end = "", time.monotonic() + PATIENCE_SECONDS
        while shown not in seen:
            left = end - time.monotonic()
            assert left > 0, f"{typed!r} shows {seen!r}"
            if select.select([self._terminal], [], [], left)[0]:
                seen += os.read(self._terminal, 65536).decode(errors="replace")
