"""The network namespace that hides a private engine from the machine.

The engine changes packet filters, bridges and forwarding. In a namespace of its own these are nobody else's, they
vanish with it, and the ports that containers publish on its 127.0.0.1 cannot collide with the machine's.
"""

from __future__ import annotations

from cluster.process import run, succeeds
from cluster.settings import Settings


def exists(settings: Settings) -> bool:
    """Asks for use, not for the name: after a reboot or a kill the name may be there as an empty file."""
    return settings.namespace_file.exists() and succeeds(*enter(settings), "true")


def enter(settings: Settings) -> tuple[str, ...]:
    """The beginning of a command that is to run inside."""
    return ("nsenter", f"--net={settings.namespace_file}", "--")


def processes(settings: Settings) -> list[int]:
    """The ids of the processes that run inside."""
    return [int(word) for word in run("ip", "netns", "pids", settings.name, what="Listing processes").split()]


def create(settings: Settings) -> None:
    """Makes it with a working loopback; one that is usable already is kept."""
    if not exists(settings):
        settings.namespace_file.unlink(missing_ok=True)
        run("ip", "netns", "add", settings.name, what="Making the network namespace")
    run("ip", "-n", settings.name, "link", "set", "lo", "up", what="Starting loopback in the network namespace")


def remove(settings: Settings) -> None:
    if settings.namespace_file.exists():
        run("ip", "netns", "delete", settings.name, what="Removing the network namespace")
