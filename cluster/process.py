"""Runs other programs and ends the ones that we started.

A failed program becomes one sentence with the end of its output; a process is known by its id and its start time, so
that an id which the kernel gave to somebody else meanwhile is never signalled.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from cluster.errors import ClusterError

TAIL_LINES = 15


def run(
    *command: str | Path,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    feed: str | bytes | IO[bytes] | None = None,
    timeout: float | None = None,
) -> str:
    """Standard output of ``command``; a :class:`ClusterError` that begins with ``what`` if it fails.

    ``env`` is added to ours, ``timeout`` is in seconds.
    """
    words = [str(word) for word in command]
    text = feed.encode() if isinstance(feed, str) else feed
    source = {"input": text} if isinstance(text, bytes) else {"stdin": text or subprocess.DEVNULL}
    options: dict[str, Any] = {"cwd": cwd, "env": {**os.environ, **(env or {})}, "timeout": timeout, **source}
    try:
        done = subprocess.run(words, capture_output=True, check=False, **options)
    except FileNotFoundError as error:
        raise ClusterError(f"{what} needs the program {words[0]!r}, which is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{what} did not end within {timeout:.0f} s.") from error
    if done.returncode != 0:
        output = (done.stderr or done.stdout).decode(errors="replace").strip()
        tail = "\n".join(output.splitlines()[-TAIL_LINES:])
        raise ClusterError(f"{what} failed (exit {done.returncode}):\n{tail}")
    return str(done.stdout.decode(errors="replace"))


def succeeds(*command: str | Path, env: Mapping[str, str] | None = None, timeout: float = 20.0) -> bool:
    """Whether a question asked by exit code is answered with yes, within ``timeout`` seconds."""
    try:
        run(*command, what="probe", env=env, timeout=timeout)
    except ClusterError:
        return False
    return True


def require(program: str, *, remedy: str) -> str:
    """The path of a program, or one sentence that names the remedy."""
    found = shutil.which(program)
    if found is None:
        raise ClusterError(f"{program} is missing: {remedy}")
    return found


@dataclass(frozen=True)
class Owned:
    """A process that we started: its id, and its start time in kernel ticks since boot."""

    pid: int
    started: int

    def alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def end(self, *, patience: float = 15.0) -> None:
        """Asks it to end, and forces it after ``patience`` seconds."""
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
            if not self.alive():
                return
            os.kill(self.pid, number)
            if _wait(lambda: not self.alive(), seconds=seconds):
                return
        raise ClusterError(f"Process {self.pid} did not end even after SIGKILL; look at it with: ps -fp {self.pid}")

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def owned(pid: int) -> Owned:
    """The record of a process that has just been started."""
    started = _start_time(pid)
    if started is None:
        raise ClusterError(f"Process {pid} ended at once.")
    return Owned(pid=pid, started=started)


def load(path: Path) -> Owned | None:
    """The recorded process if it still runs."""
    try:
        fields = json.loads(path.read_text())
        process = Owned(pid=int(fields["pid"]), started=int(fields["started"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return process if process.alive() else None


def start(command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A program that goes on after we end, in a session of its own so that a Ctrl-C for us does not reach it."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )


def wait_for(question: Callable[[], bool], *, what: str, seconds: float, interval: float = 0.1) -> None:
    """Asks ``question()`` until it says yes; a :class:`ClusterError` after ``seconds``."""
    if not _wait(question, seconds=seconds, interval=interval):
        raise ClusterError(f"{what} did not happen within {seconds:.0f} s.")


def _wait(question: Callable[[], bool], *, seconds: float, interval: float = 0.1) -> bool:
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def _start_time(pid: int) -> int | None:
    """Field 22 of ``/proc/PID/stat``, counted after the name, which may hold spaces. A zombie counts as ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
