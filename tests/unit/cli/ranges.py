"""A real HTTP server on loopback that answers ranges as Prometheus does."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BEGIN = 1_795_521_600  # 2026-11-24T12:00:00Z


@dataclass
class FakePrometheus:
    """Requests a second and the share of bad ones, pod by pod. Counters start when a pod does."""

    queries: list[dict[str, str]] = field(default_factory=list)
    bad_share: dict[str, float] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    pods: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"new-": ("new-1",), "old-": ("old-1", "old-2")}
    )
    answer: dict[str, Any] | None = None
    url: str = ""

    def respond(self, path: str) -> tuple[int, dict[str, Any]]:
        query = {key: values[0] for key, values in parse_qs(urlsplit(path).query).items()}
        self.queries.append({"path": urlsplit(path).path, **query})
        if self.answer is not None:
            return 200, self.answer
        first, last, step = (int(query[name]) for name in ("start", "end", "step"))
        if (last - first) / step > 11_000:
            return 400, {"status": "error", "error": "exceeded maximum resolution of 11,000 points per timeseries"}
        pods = next((pods for prefix, pods in self.pods.items() if prefix in query["query"]), ())
        result = [series for pod in pods for series in self._series(pod, query["query"], range(first, last + 1, step))]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def _series(self, pod: str, query: str, times: range) -> Iterator[dict[str, Any]]:
        bad = self.bad_share.get(pod, 0.01)
        if "_bucket" in query:
            shares = {"le": {"0.1": 0.5, "0.25": 1 - bad, "+Inf": 1.0}}
        else:
            shares = {"status_code": {"200": 1 - bad, "503": bad}}
        since = self.since.get(pod, BEGIN - 7 * 24 * 3600)
        for label, values in shares.items():
            for value, share in values.items():
                read = [[time, str(100 * share * (time - since))] for time in times if time >= since]
                yield {"metric": {"namespace": "ns", "pod": pod, label: value}, "values": read}


@contextmanager
def serving(fake: FakePrometheus) -> Iterator[FakePrometheus]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = fake.respond(self.path)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        answering = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        answering.start()
        yield fake
        server.shutdown()
        answering.join()
