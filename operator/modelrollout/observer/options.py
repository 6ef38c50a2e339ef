"""What the process is told at its start; what it observes comes from the settings file."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelrollout.api.observer import METRICS_PORT, SETTINGS_FILE

MIB = 1024 * 1024
HELD_MIB = 32
"""With it the process stays below the 192 MiB that its pod is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`host` None listens on all addresses."""

    settings: Path
    host: str | None
    metrics_port: int
    held_bytes: int


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m modelrollout.observer",
        description="Compares the answers of candidate and live version to copies of requests.",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        default=Path("/etc/modelrollout") / SETTINGS_FILE,
        help="the file with the settings, which is read again when it changes (default: %(default)s)",
    )
    parser.add_argument("--host", help="address to listen on (default: all)")
    parser.add_argument("--metrics-port", type=int, default=METRICS_PORT, help="port for pages (default: %(default)s)")
    parser.add_argument(
        "--held-mib", type=int, default=HELD_MIB, help="most MiB of bodies that are held (default: %(default)s)"
    )
    given = parser.parse_args(arguments)
    if given.held_mib < 1:
        parser.error("--held-mib: must be at least 1")
    return Options(
        settings=given.settings,
        host=given.host,
        metrics_port=given.metrics_port,
        held_bytes=given.held_mib * MIB,
    )
