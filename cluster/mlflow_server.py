"""A real MLflow server for tests, in an environment of its own: it is ten times as large as everything else here.

The environment is a piece of the cache, keyed by its lock file, so that a second run installs nothing.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

from cluster import cache
from cluster.errors import ClusterError
from cluster.process import require, run
from cluster.settings import SOURCE, Settings

START_SECONDS = 180.0
STOP_SECONDS = 20.0
LOCK = SOURCE.parent / "requirements" / "mlflow-server.lock"


def ensure(settings: Settings) -> Path:
    """The Python that has MLflow installed."""
    folder = cache.piece(
        settings.cache,
        "mlflow-server",
        cache.digest(LOCK, sys.version),
        what="installing the MLflow server",
        build=_install,
    )
    return folder / "bin" / "python"


def command(python: Path, *, port: int, folder: Path, host: str = "127.0.0.1") -> list[str]:
    """Starts a server that keeps everything in a folder, with its artifacts behind its own proxy."""
    return [
        *(str(python), "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
        # Pods reach it by an address that it does not know of.
        *("--allowed-hosts", "*"),
    ]


ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def _install(into: Path) -> None:
    cache.require_space(into, gib=2)
    uv = shutil.which("uv")
    if uv is not None:
        options = ("--quiet", "--relocatable", "--allow-existing", "--python", sys.executable)
        run(uv, "venv", *options, into, what="Making an environment")
        python = into / "bin" / "python"
        run(uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, LOCK, what="Installing MLflow")
        return
    plain = require("python3", remedy="install uv (python3 -m pip install uv), or python3 and python3-venv.")
    run(plain, "-m", "venv", into, what="Making an environment")
    pip = (into / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--require-hashes", "--requirement", LOCK, what="Installing MLflow")


class MlflowServer:
    """A server of one's own, which can be stopped in the middle and started again with what it knew."""

    def __init__(self, settings: Settings, folder: Path, *, host: str = "127.0.0.1") -> None:
        self._python = ensure(settings)
        self._folder = folder
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        """For who runs beside it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers, which takes from ten seconds to a minute."""
        words = command(self._python, port=self.port, folder=self._folder, host=self._host)
        log = self._folder / "mlflow.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                words, cwd=self._folder, env={**os.environ, **ENVIRONMENT}, stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ClusterError(f"MLflow did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.25)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
