"""The process: reads its settings, then observes until it is told to stop."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from modelrollout.adapters.clock import SystemClock
from modelrollout.observer.options import Options, parse
from modelrollout.observer.program import Observer, Program
from modelrollout.observer.settings_file import SettingsFile

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after SIGTERM or SIGINT, 1 when a part of it ended, 2 when it cannot start."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    # It tells of each malformed request with a traceback; they are counted where they matter.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    return asyncio.run(run(options))


async def run(options: Options) -> int:
    clock, stop = SystemClock(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    file = SettingsFile(options.settings)
    settings = file.changed()
    if settings is None:
        return 2
    observer = Observer(clock, held_bytes=options.held_bytes)
    observer.assign(settings)
    try:
        async with Program(observer, file, options, clock, port=settings.port) as program:
            if await program.wait(stop):
                return 0
            log.error("a part of the observer ended; so does the process")
            return 1
    except OSError as error:
        log.error("cannot listen: %s", error)
        return 2
