"""Where things are kept and what they are called.

Everything that survives a reboot is under one cache folder, so that ``rm -r`` of it is a complete clean-up; sockets
and process ids are under ``/run`` because they mean nothing after a reboot.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

SOURCE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Settings:
    """What a person may choose, read once from the environment."""

    cache: Path
    runtime: Path
    name: str
    gateway_port: int
    prometheus_port: int

    @property
    def state(self) -> Path:
        """Facts about the running cluster: kubeconfig, process ids, logs."""
        return self.cache / "run"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def node(self) -> str:
        """kind names the container of the only node like this."""
        return f"{self.name}-control-plane"

    @property
    def namespace_file(self) -> Path:
        """The network namespace in which a private engine and everything that it publishes live."""
        return Path("/run/netns") / self.name


def load() -> Settings:
    """Settings from ``MODELROLLOUT_*`` variables, with the defaults that the README names."""
    name = os.environ.get("MODELROLLOUT_CLUSTER", "modelrollout")
    default_cache = Path.home() / ".cache" / "modelrollout"
    return Settings(
        cache=Path(os.environ.get("MODELROLLOUT_CACHE") or default_cache).absolute(),
        runtime=Path("/run") / name,
        name=name,
        gateway_port=_port("MODELROLLOUT_GATEWAY_PORT", default=8080),
        prometheus_port=_port("MODELROLLOUT_PROMETHEUS_PORT", default=9090),
    )


def _port(variable: str, *, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ClusterError(f"{variable} is {text!r}, but must be a TCP port: a whole number from 1 to 65535.")
    return int(text)
