"""Load generator: replays held-out rows as Open Inference Protocol requests and counts what users saw.

    python -m demo.load --url http://127.0.0.1:8080 --host biopsy.example.com --model biopsy --rate 50 --seconds 60

It is an open loop: requests leave at their time whether or not earlier ones were answered, as those of independent
users do. A closed loop would send less as soon as the server slows down, and hide what a rollout looks for.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import itertools
import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import urlsplit

import aiohttp

from demo.counts import Failure, LoadCounts, Tally, as_json, describe

__all__ = ["Load", "LoadCounts", "LoadSettings", "TargetRefusedError", "read_rows"]

HELDOUT: Final = Path(__file__).parent / "server" / "heldout.json"
MAX_SECONDS: Final = 1800.0
MAX_RATE: Final = 1000.0
TIMEOUT_SECONDS: Final = 5.0

# Less than the five seconds after which common servers close an idle connection: a request that is sent into a closing
# connection is lost, which would be counted as the server's failure though it says nothing about the model.
IDLE_CONNECTION_SECONDS: Final = 2.0

Spacing = Literal["even", "poisson"]


class TargetRefusedError(ValueError):
    """The address is not on this machine and was not allowed by name."""


def read_rows(file: Path = HELDOUT) -> tuple[tuple[float, ...], ...]:
    """The held-out rows that the models were not trained on."""
    return tuple(tuple(row) for row in json.loads(file.read_text())["rows"])


def infer_body(row: Sequence[float]) -> bytes:
    """One row as an inference request."""
    tensor = {"name": "features", "shape": [1, len(row)], "datatype": "FP64", "data": list(row)}
    return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode()


def check_target(url: str, allow_hosts: Sequence[str] = ()) -> None:
    """Refuse any address but this machine's own: a load generator with a mistyped address is an attack."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetRefusedError(f"{url!r} is no address: write it as http://127.0.0.1:8080")
    host = parts.hostname
    loopback = host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = ipaddress.ip_address(host).is_loopback
    if not loopback and host not in allow_hosts:
        raise TargetRefusedError(
            f"{host} is not on this machine: load goes to loopback addresses only, unless --allow-host {host} is given"
        )


def due_times(rate: float, seconds: float, spacing: Spacing, chance: random.Random) -> Iterator[float]:
    """Seconds after the start at which requests are due; rate * seconds of them, exactly when evenly spaced."""
    if spacing == "even":
        yield from (number / rate for number in range(round(rate * seconds)))
        return
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


@dataclass(frozen=True)
class LoadSettings:
    """What to send, where to and for how long. Rows are sent in an order that the seed gives, or as they stand."""

    url: str
    host: str
    model: str
    rate: float
    seconds: float
    spacing: Spacing = "even"
    max_in_flight: int = 200
    timeout: float = TIMEOUT_SECONDS
    seed: int = 1
    in_order: bool = False
    allow_hosts: tuple[str, ...] = ()
    failures_file: Path | None = None

    def __post_init__(self) -> None:
        check_target(self.url, self.allow_hosts)
        if not 0 < self.rate <= MAX_RATE:
            raise ValueError(f"rate must be above 0 and at most {MAX_RATE:g} requests a second, not {self.rate:g}")
        if not 0 < self.seconds <= MAX_SECONDS:
            raise ValueError(f"seconds must be above 0 and at most {MAX_SECONDS:g}, not {self.seconds:g}")
        if self.max_in_flight < 1:
            raise ValueError(f"max_in_flight must be at least 1, not {self.max_in_flight}")

    @property
    def infer_url(self) -> str:
        """Where requests go to."""
        return f"{self.url.rstrip('/')}/v2/models/{self.model}/infer"


class Load:
    """A load that runs beside its caller until its time is over or `stop` is called.

    It has a thread and an event loop of its own, so that neither a caller that blocks (kubectl, a progress display)
    nor one that has a loop already changes when requests leave.
    """

    def __init__(self, settings: LoadSettings, rows: Sequence[Sequence[float]] | None = None) -> None:
        self.settings = settings
        self._bodies = tuple(infer_body(row) for row in (read_rows() if rows is None else rows))
        if not self._bodies:
            raise ValueError("no rows to send")
        self._tally = Tally()
        self._thread: threading.Thread | None = None
        self._ended: Future[None] = Future()
        self._stop = threading.Event()
        self._wake: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def start(self) -> None:
        """Begin; a load is for one run."""
        if self._thread is not None:
            raise RuntimeError("a Load can be started once")
        self._thread = threading.Thread(target=self._run_thread, name="load", daemon=True)
        self._thread.start()

    def stop(self) -> LoadCounts:
        """Send nothing more, wait for what is on its way (at most the time-out) and return the final counts."""
        self._stop.set()
        if self._wake is not None:
            loop, event = self._wake
            with contextlib.suppress(RuntimeError):  # the loop has just closed by itself
                loop.call_soon_threadsafe(event.set)
        return self.wait()

    def wait(self) -> LoadCounts:
        """Wait until the load has ended by itself; raises what ended it, if that was an error."""
        if self._thread is None:
            return self.snapshot()
        self._ended.result(timeout=self.settings.seconds + self.settings.timeout + 30)
        self._thread.join()
        return self.snapshot()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread is not None and not self._ended.done()

    def snapshot(self) -> LoadCounts:
        """The counts so far, from any thread."""
        return self._tally.counts()

    def failures(self) -> tuple[Failure, ...]:
        """The first failures, at most ten thousand; the file, where one was named, has all of them."""
        return self._tally.failures()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run_thread(self) -> None:
        try:
            with contextlib.ExitStack() as stack:
                if self.settings.failures_file is not None:
                    self._tally.file = stack.enter_context(self.settings.failures_file.open("a"))
                asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001  (handed to whoever waits)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _run(self) -> None:
        stop = asyncio.Event()
        self._wake = (asyncio.get_running_loop(), stop)
        if self._stop.is_set():
            return
        chance = random.Random(self.settings.seed)
        order = list(range(len(self._bodies)))
        if not self.settings.in_order:
            chance.shuffle(order)
        rows = itertools.cycle(order)
        running: set[asyncio.Task[None]] = set()
        async with self._session() as session:
            begin = time.monotonic()
            for due in due_times(self.settings.rate, self.settings.seconds, self.settings.spacing, chance):
                wait = begin + due - time.monotonic()
                if wait > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), wait)
                if stop.is_set():
                    break
                row = next(rows)
                if len(running) >= self.settings.max_in_flight:
                    self._tally.not_sent_one()
                    await asyncio.sleep(0)
                    continue
                task = asyncio.create_task(self._send(session, row))
                running.add(task)
                task.add_done_callback(running.discard)
            if running:
                await asyncio.wait(running)

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_SECONDS),
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout),
            headers={"Host": self.settings.host, "Content-Type": "application/json"},
        )

    async def _send(self, session: aiohttp.ClientSession, row: int) -> None:
        self._tally.send_one()
        begin = time.monotonic()
        try:
            async with session.post(self.settings.infer_url, data=self._bodies[row], allow_redirects=False) as answer:
                content = await answer.read()
        except TimeoutError:
            self._tally.fail(row, "timeout")
        except (aiohttp.ClientError, OSError) as error:
            self._tally.fail(row, type(error).__name__)
        else:
            self._tally.answer(row, answer.status, content, time.monotonic() - begin)


def parse(arguments: Sequence[str] | None) -> tuple[LoadSettings, bool]:
    """Settings from the command line, and whether to print JSON."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description="Replays held-out rows at a set rate.")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="gateway or server, default %(default)s")
    parser.add_argument("--host", default="biopsy.example.com", help="Host header, default %(default)s")
    parser.add_argument("--model", default="biopsy", help="model name in the path, default %(default)s")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second, default %(default)g")
    parser.add_argument("--seconds", type=float, default=60.0, help=f"default %(default)g, at most {MAX_SECONDS:g}")
    parser.add_argument("--spacing", choices=("even", "poisson"), default="even", help="default %(default)s")
    parser.add_argument("--max-in-flight", type=int, default=200, help="default %(default)d")
    parser.add_argument("--seed", type=int, default=1, help="order of the rows, default %(default)d")
    parser.add_argument("--allow-host", action="append", default=[], help="a host that is not this machine")
    parser.add_argument("--failures", type=Path, metavar="FILE", help="append each failure as a line of JSON")
    parser.add_argument("--json", action="store_true", help="print the final counts as JSON")
    parsed = parser.parse_args(arguments)
    try:
        settings = LoadSettings(
            url=parsed.url,
            host=parsed.host,
            model=parsed.model,
            rate=parsed.rate,
            seconds=parsed.seconds,
            spacing=parsed.spacing,
            max_in_flight=parsed.max_in_flight,
            seed=parsed.seed,
            allow_hosts=tuple(parsed.allow_host),
            failures_file=parsed.failures,
        )
    except ValueError as error:
        parser.error(str(error))
    return settings, parsed.json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one load, telling every five seconds how it goes; Ctrl-C ends it early with its counts."""
    settings, json_wanted = parse(arguments)
    load = Load(settings)
    load.start()
    try:
        told = time.monotonic()
        while load.running:
            time.sleep(0.1)
            if time.monotonic() - told >= 5:
                told = time.monotonic()
                print(describe(load.snapshot()), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        pass
    counts = load.stop()
    print(as_json(counts) if json_wanted else describe(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
