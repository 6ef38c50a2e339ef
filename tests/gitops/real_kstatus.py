"""The library by which Flux reads conditions, as a program that is built once and cached."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from cluster import binaries, settings


def real_kstatus(bodies: Iterable[Mapping[str, Any]]) -> list[str]:
    """What it says of each: `Current`, `InProgress`, `Failed`, `Terminating`."""
    program = binaries.ensure(settings.load(), "kstatus")["kstatus"]
    text = "\n".join(json.dumps(body) for body in bodies)
    done = subprocess.run([program], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]
