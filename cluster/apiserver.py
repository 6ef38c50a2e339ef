"""A bare etcd and kube-apiserver, for tests of what the API server itself decides: schemas, CEL, admission, RBAC.

It starts in seconds on loopback, needs no engine and no root, and everything of it is in one temporary folder. There
is no controller: nothing makes pods, removes a namespace's contents or collects garbage.

    with apiserver.running(users={"alice": ("team-a",)}) as server:
        subprocess.run([server.kubectl, "--kubeconfig", server.kubeconfig("alice"), "get", "pods"])
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster import binaries, settings
from cluster.errors import ClusterError
from cluster.process import require, run

ADMIN = "admin"
START_SECONDS = 60.0
STOP_SECONDS = 5.0
# The endpoint of the Service "kubernetes". The server insists on one that is not loopback and never connects to it;
# this one is reserved for documentation (RFC 5737), so nothing else can be behind it.
ADVERTISED_ADDRESS = "192.0.2.1"


@dataclass(frozen=True)
class ApiServer:
    """Where the server is and who may ask it."""

    url: str
    ca_file: Path
    kubectl: Path
    tokens: Mapping[str, str] = field(repr=False)
    folder: Path

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """A kubeconfig file for one of the users that the server was started with."""
        path = self.folder / f"kubeconfig-{user.replace('/', '_')}"
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bare", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": user}}],
            "current-context": "bare",
        }
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return path


@contextmanager
def running(
    *, users: Mapping[str, tuple[str, ...]] | None = None, chosen: settings.Settings | None = None
) -> Iterator[ApiServer]:
    """A server with an ``admin`` in ``system:masters`` and the given users, each with the groups named for it."""
    chosen = chosen or settings.load()
    programs = binaries.ensure(chosen, *binaries.API_SERVER_PROGRAMS)
    groups = {ADMIN: ("system:masters",), **(users or {})}
    tokens = {user: secrets.token_hex(16) for user in groups}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modelrollout-apiserver-")))
        etcd = f"http://127.0.0.1:{_free_port()}"
        stack.enter_context(_child(_etcd_command(programs["etcd"], folder, url=etcd), folder / "etcd.log"))
        port = _free_port()
        _write_tokens(folder / "tokens.csv", groups=groups, tokens=tokens)
        command = _server_command(programs["kube-apiserver"], folder, etcd=etcd, port=port)
        process = stack.enter_context(_child(command, folder / "kube-apiserver.log"))
        server = ApiServer(
            url=f"https://127.0.0.1:{port}",
            ca_file=folder / "certs" / "apiserver.crt",
            kubectl=programs["kubectl"],
            tokens=tokens,
            folder=folder,
        )
        _wait_until_ready(server, process, log=folder / "kube-apiserver.log")
        yield server


def _etcd_command(program: Path, folder: Path, *, url: str) -> list[str]:
    peer = f"http://127.0.0.1:{_free_port()}"
    options = {
        "data-dir": folder / "etcd",
        "listen-client-urls": url,
        "advertise-client-urls": url,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "warn",
        "unsafe-no-fsync": "true",
    }
    return [str(program), *(f"--{key}={value}" for key, value in options.items())]


def _server_command(program: Path, folder: Path, *, etcd: str, port: int) -> list[str]:
    key = folder / "service-account.key"
    openssl = require("openssl", remedy="install the package openssl.")
    run(openssl, "genrsa", "-out", key, "2048", what="Making the key that signs service account tokens")
    options = {
        "advertise-address": ADVERTISED_ADDRESS,
        "authorization-mode": "RBAC",
        "bind-address": "127.0.0.1",
        "cert-dir": folder / "certs",
        # Without a controller no namespace has a default service account, so this plug-in would refuse every pod.
        "disable-admission-plugins": "ServiceAccount",
        "etcd-servers": etcd,
        "secure-port": port,
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "service-cluster-ip-range": "10.0.0.0/24",
        "token-auth-file": folder / "tokens.csv",
    }
    return [str(program), *(f"--{name}={value}" for name, value in options.items())]


def _write_tokens(path: Path, *, groups: Mapping[str, tuple[str, ...]], tokens: Mapping[str, str]) -> None:
    """One line per user: token, name, id, groups."""
    path.touch(mode=0o600)
    path.write_text("".join(f'{tokens[user]},{user},{user},"{",".join(groups[user])}"\n' for user in groups))


@contextmanager
def _child(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, and with us if we are killed (where the system can promise that)."""
    guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    with log.open("wb") as stream:
        process = subprocess.Popen([*guard, *command], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(server: ApiServer, process: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(server):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise ClusterError(f"kube-apiserver did not become ready within {START_SECONDS:.0f} s:\n{tail}")
        time.sleep(0.05)


def _is_ready(server: ApiServer) -> bool:
    """The namespace is made by a hook that ``/readyz`` does not wait for, and the first test wants it."""
    if not server.ca_file.exists():
        return False
    try:
        context = ssl.create_default_context(cafile=str(server.ca_file))
    except ssl.SSLError:
        return False
    headers = {"Authorization": f"Bearer {server.tokens[ADMIN]}"}
    for path in ("/readyz", "/api/v1/namespaces/default"):
        try:
            request = urllib.request.Request(server.url + path, headers=headers)
            urllib.request.urlopen(request, context=context, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
