"""A trace collector on loopback: takes OTLP over HTTP as one does, keeps the spans, and can be slow or refuse."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

Attributes = dict[str, Any]


class Told:
    """A span as it arrived."""

    def __init__(self, span: trace_pb2.Span) -> None:
        self.name = span.name
        self.id = span.span_id
        self.parent = span.parent_span_id
        self.attributes = _read(span.attributes)
        self.events = [(event.name, _read(event.attributes)) for event in span.events]
        self.failed = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR


class Collector:
    """To be entered. A silent one answers no request before it ends."""

    def __init__(self, *, host: str = "127.0.0.1", status: int = 200, silent: bool = False) -> None:
        self.status = status
        self.requests = 0
        self.spans: list[Told] = []
        self.resource: Attributes = {}
        self._may_answer = threading.Event()
        if not silent:
            self._may_answer.set()
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._may_answer.set()
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Told]:
        return [span for span in self.spans if span.name == name]

    def decisions(self, namespace: str | None = None) -> Counter[tuple[str, str]]:
        """How often each outcome and reason was told of, by the events of looks: all, or those at one namespace."""
        looks = self.named("reconcile")
        if namespace is not None:
            looks = [span for span in looks if span.attributes["k8s.namespace.name"] == namespace]
        told = (attributes for span in looks for name, attributes in span.events if name == "decision")
        return Counter((each["modelrollout.outcome"], each["modelrollout.decision"]) for each in told)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests += 1
                collector._may_answer.wait()
                if collector.status == 200:
                    assert self.path == "/v1/traces"
                    collector._take(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not to standard error."""

        return Handler

    def _take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            self.resource = _read(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [Told(span) for span in scope.spans]


def _read(attributes: Any) -> Attributes:
    def value(one: KeyValue) -> Any:
        return getattr(one.value, one.value.WhichOneof("value") or "string_value")

    return {one.key: value(one) for one in attributes}
