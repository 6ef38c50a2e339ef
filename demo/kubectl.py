"""kubectl, as the demo and the end-to-end tests use it: the same commands that a reader would type."""

from __future__ import annotations

import json
import subprocess
from typing import Any

TIMEOUT_SECONDS = 60.0


class KubectlError(RuntimeError):
    """What kubectl said."""


def kubectl(*arguments: str, feed: str | None = None, timeout: float = TIMEOUT_SECONDS) -> str:
    """Standard output of one command. Raises KubectlError with its message, and when it takes too long."""
    try:
        done = subprocess.run(
            ["kubectl", *arguments], input=feed, capture_output=True, text=True, timeout=timeout, check=False
        )
    except FileNotFoundError:
        raise KubectlError("kubectl is not on the PATH; run this through `python -m cluster exec --`") from None
    except subprocess.TimeoutExpired:
        raise KubectlError(f"kubectl {' '.join(arguments)} took longer than {timeout:g} s") from None
    if done.returncode != 0:
        raise KubectlError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def fetch(*arguments: str) -> dict[str, Any] | None:
    """An object as JSON, None where there is none of that name."""
    try:
        found: dict[str, Any] = json.loads(kubectl("get", *arguments, "-o", "json"))
    except KubectlError as error:
        if "NotFound" in str(error):
            return None
        raise
    return found


def apply(manifest: dict[str, Any] | str) -> str:
    """Client-side apply, as people do it: an object, or a whole file's text."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return kubectl("apply", "-f", "-", feed=text)
