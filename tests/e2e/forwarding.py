"""A way to a port in the cluster, past Services and gateways."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def forwarded(what: str, port: int, *, namespace: str) -> Iterator[int]:
    """The port on loopback that leads to `port` of a pod (or of one of a Deployment's)."""
    command = ["kubectl", "port-forward", "-n", namespace, what, f":{port}", "--address=127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", said)
            assert found is not None, f"kubectl port-forward: {said}"
            yield int(found[1])
        finally:
            process.terminate()
