"""A shell in a terminal, at which a test types, and reads what there is to see."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 30.0
READY = "-ready-"
CLEAR, TAB = "\x15", "\t"
_AT_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


class TypingShell:
    """`setup` is one line that the shell runs first. To be entered."""

    def __init__(self, command: Sequence[str], setup: str, environ: Mapping[str, str]) -> None:
        self._command = command
        self._setup = setup
        self._environ = {**environ, "TERM": "dumb", "COLUMNS": "400", "LINES": "50"}
        self._terminal = -1
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._terminal, inside = pty.openpty()
        command = [sys.executable, "-c", _AT_A_TERMINAL, *self._command]
        self._process = subprocess.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, env=self._environ, start_new_session=True
        )
        os.close(inside)
        half = len(READY) // 2
        # In two halves, so that the line itself is not taken for what it prints.
        self._see(f"stty columns 400; {self._setup}; echo '{READY[:half]}''{READY[half:]}'\n", READY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        os.close(self._terminal)
        self._process.wait()

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
