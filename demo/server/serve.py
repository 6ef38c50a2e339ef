"""Entry point of the image: MLServer with the one model that MODEL_VERSION names.

MLServer's own command would do in production with a preStop hook. Here the process does three things itself, because
the image shall need no shell: it refuses a damaged artefact before it spends seconds on imports, it goes on serving for
a moment after SIGTERM, and it ends with an error when its model cannot be loaded.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DRAIN_SECONDS = 4.0
"""How long after SIGTERM requests are still accepted: Kubernetes sends it at the same moment at which it begins to tell
gateways and nodes that the pod goes, so for a while they still send here."""


def fail(reason: str) -> None:
    """End with one line that says why; it is the last line of the pod's log in a crash loop."""
    print(f"error: {reason}", file=sys.stderr, flush=True)
    sys.exit(1)


def chosen_version() -> Path:
    """The folder of the version that the pod template asks for, its artefact checked against its training's digest."""
    manifest = json.loads((HERE / "models" / "manifest.json").read_text())
    version = os.environ.get("MODEL_VERSION", "")
    if version not in manifest:
        fail(f"MODEL_VERSION must be one of {', '.join(manifest)}, not {version!r}")
    folder = HERE / "models" / version
    content = (folder / "model.joblib").read_bytes()
    expected = manifest[version]
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        fail(
            f"cannot load model version {version}: model.joblib has {len(content)} bytes, its training recorded "
            f"{expected['bytes']} and another SHA-256; the file is damaged or incomplete"
        )
    return folder


def main() -> None:
    """Serve until told to stop."""
    # The kernel drops signals without a handler for a container's first process. This one ends a pod that is deleted
    # while it imports; without it the pod would stay for the whole grace period.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os._exit(128 + signal.SIGTERM))
    folder = chosen_version()
    # Nothing that an import makes is garbage; collecting meanwhile costs a tenth of the start-up time.
    gc.disable()
    from server import run

    loaded = run(HERE / "settings.json", folder / "model-settings.json", DRAIN_SECONDS)
    if not loaded:
        fail(f"model version {folder.name} could not be loaded")


if __name__ == "__main__":
    main()
