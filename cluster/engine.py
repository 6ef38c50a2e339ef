"""A private Docker engine, for machines that have none.

It is Debian's, unpacked into the cache and started by us: own socket, own data folder, own mount and network
namespaces, and no part in the machine's services. Images and build results stay in the cache between runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from cluster import cache, namespace, packages, process
from cluster.errors import ClusterError
from cluster.progress import step
from cluster.settings import SOURCE, Settings

START_SECONDS = 60.0
WRAPPER = "runc-within-limits"


def folder(settings: Settings) -> Path:
    """The unpacked engine; any version that the cache has will do, so that a set-up works on without the archive."""
    found = sorted(path for path in settings.cache.glob("engine-*") if path.is_dir())
    if found:
        return found[-1]
    version = packages.candidate(packages.ENGINE[0])
    return cache.piece(
        settings.cache,
        "engine",
        version,
        what="unpacking a container engine from Debian packages",
        build=lambda into: packages.unpack(packages.ENGINE, into),
    )


def program_folders(settings: Settings) -> list[Path]:
    """Where ``docker`` and ``ctr`` are, for ``PATH``."""
    found = sorted(path for path in settings.cache.glob("engine-*") if path.is_dir())
    return [found[-1] / "usr/bin", found[-1] / "usr/sbin"] if found else []


def socket(settings: Settings) -> str:
    """The value of ``DOCKER_HOST``."""
    return f"unix://{settings.runtime / 'docker.sock'}"


def running(settings: Settings) -> bool:
    return process.load(_record(settings)) is not None and (settings.runtime / "docker.sock").exists()


def start(settings: Settings) -> None:
    """Starts the engine unless it runs."""
    if running(settings):
        return
    programs = folder(settings)
    with step("starting the container engine"):
        namespace.create(settings)
        settings.runtime.mkdir(parents=True, exist_ok=True)
        settings.state.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(settings, programs)
        config = _write_config(settings, programs)
        log = settings.state / "dockerd.log"
        command: tuple[str | Path, ...] = (
            *namespace.enter(settings),
            *("unshare", "--mount", "--propagation", "slave", "--"),
            *(programs / "usr/sbin/dockerd", f"--config-file={config}", "--oom-score-adjust=0"),
        )
        path = os.pathsep.join([*map(str, program_folders(settings)), os.environ["PATH"]])
        child = process.start(command, log=log, env={"PATH": path, "DOCKER_RAMDISK": ""})
        process.owned(child.pid).save(_record(settings))
        _wait_until_up(settings, child, log=log)


def stop(settings: Settings) -> None:
    """Ends the engine that we started, with all its containers."""
    recorded = process.load(_record(settings))
    if recorded is not None:
        with step("stopping the container engine"):
            recorded.end(patience=30.0)
    _record(settings).unlink(missing_ok=True)
    shutil.rmtree(settings.runtime, ignore_errors=True)


def docker(settings: Settings) -> str:
    """The client's path: the engine's own if we brought one, otherwise the person's."""
    own = [place / "docker" for place in program_folders(settings) if (place / "docker").exists()]
    return str(own[0]) if own else process.require("docker", remedy="install Docker.")


def keep_only(settings: Settings, tag: str, *, also: tuple[str, ...] = ()) -> None:
    """Removes the tags that earlier builds left in a repository; what a container still uses stays by itself."""
    client = (docker(settings), "--host", socket(settings), "image")
    repository = tag.rpartition(":")[0]
    listed = process.run(*client, "ls", "--format={{.Repository}}:{{.Tag}}", repository, what="Listing images").split()
    for old in set(listed) - {tag, *also}:
        process.succeeds(*client, "rm", old)


def _record(settings: Settings) -> Path:
    return settings.state / "dockerd.json"


def _clear_leftovers(settings: Settings, programs: Path) -> None:
    """Ends what a killed engine left running and holding locks, and forgets process ids that may be others' by now.

    What is ours is told by where it runs and by the program file that it runs from.
    """
    for pid in namespace.processes(settings):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/exe").readlink().is_relative_to(programs):
                process.owned(pid).end(patience=2.0)
    for stale in ("dockerd.pid", "exec/containerd/containerd.pid", "docker.sock"):
        (settings.runtime / stale).unlink(missing_ok=True)


def _write_config(settings: Settings, programs: Path) -> Path:
    wrapper = settings.runtime / WRAPPER
    shutil.copyfile(SOURCE / WRAPPER, wrapper)
    wrapper.chmod(0o755)
    (settings.runtime / "runc").unlink(missing_ok=True)
    (settings.runtime / "runc").symlink_to(programs / "usr/sbin/runc")
    content = {
        "data-root": str(settings.cache / "docker"),
        "exec-root": str(settings.runtime / "exec"),
        "pidfile": str(settings.runtime / "dockerd.pid"),
        "hosts": [socket(settings)],
        "runtimes": {"within-limits": {"path": str(wrapper)}},
        "default-runtime": "within-limits",
        "default-cgroupns-mode": "private",
        # Published ports by packet filter alone: a proxy process would copy every byte of a load test.
        "userland-proxy": False,
        "log-level": "warn",
    }
    path = settings.runtime / "daemon.json"
    path.write_text(json.dumps(content, indent=2))
    return path


def _wait_until_up(settings: Settings, child: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not process.succeeds(docker(settings), "--host", socket(settings), "version", timeout=5.0):
        if child.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise ClusterError(f"The container engine did not start; its log {log} ends with:\n{tail}")
        time.sleep(0.1)
