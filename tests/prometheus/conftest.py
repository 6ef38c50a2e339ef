"""A real Prometheus on loopback that scrapes the expositions of every server, for the whole session."""

import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from cluster import binaries, settings
from modelrollout.adapters.prometheus import Series

ROOT = Path(__file__).resolve().parents[2]
EXPOSITIONS = Path(__file__).parent / "expositions"
READY_SECONDS = 60.0
POD = "fraud-0123456789-7d9c-abcde"

TARGETS = {
    "mlserver": ROOT / "demo" / "server" / "exposition.txt",
    "kserve": EXPOSITIONS / "kserve.txt",
    "triton": EXPOSITIONS / "triton.txt",
    "vllm": EXPOSITIONS / "vllm.txt",
    "vllm-older": EXPOSITIONS / "vllm-older.txt",
    "envoy": EXPOSITIONS / "envoy.txt",
    "observer": EXPOSITIONS / "observer.txt",
    "data": EXPOSITIONS / "data.txt",
}
"""Each is scraped as a pod in a namespace of its name."""


@dataclass(frozen=True)
class RealPrometheus:
    url: str

    def instant(self, query: str) -> tuple[Series, ...]:
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}") as answer:
            result = json.loads(answer.read())["data"]["result"]
        return tuple(Series(labels=one["metric"], value=float(one["value"][1])) for one in result)


class _Expositions(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = TARGETS[self.path.strip("/")].read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


def program() -> Path:
    """Prometheus, from the cache."""
    wanted = binaries.PROGRAMS["prometheus"]
    version = binaries.version(wanted.module, folder=wanted.folder)
    found = settings.load().cache / f"prometheus-{version}" / "prometheus"
    if not found.is_file():
        pytest.fail("These tests need prometheus: build it with `python -m cluster binaries`.")
    return found


def _config(target: str) -> str:
    def job(name: str, path: str) -> dict[str, object]:
        labels = {"namespace": path, "pod": f"gateway-{path}" if path == "envoy" else POD}
        return {
            "job_name": name,
            "metrics_path": f"/{path}",
            "static_configs": [{"targets": [target], "labels": labels}],
        }

    jobs = [job(name, name) for name in TARGETS]
    # The same pod once more, as where a PodMonitor and a ServiceMonitor both find it.
    jobs.append(job("mlserver-again", "mlserver"))
    return yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs})


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Expositions)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "prometheus.yml").write_text(_config(f"127.0.0.1:{server.server_port}"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(program()),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        running = RealPrometheus(f"http://127.0.0.1:{port}")
        try:
            _wait_until_scraped(running, process, folder / "log")
            yield running
        finally:
            process.terminate()
            server.shutdown()
            server.server_close()


def _wait_until_scraped(running: RealPrometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            up = running.instant("sum(up)")
        except OSError:
            up = ()
        if up and up[0].value == len(TARGETS) + 1:
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, f"not all expositions were scraped:\n{log.read_text()}"
        time.sleep(0.2)
