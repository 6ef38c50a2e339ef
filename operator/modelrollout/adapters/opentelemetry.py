"""Traces by OTLP over HTTP, through OpenTelemetry's SDK (the extra `otel`); the one module that imports it.

Everything is chosen by the standard variables `OTEL_*`, which the SDK reads itself: where to, sampling, batches,
resource. Nothing that the operator does waits for a collector:

* a span that ends goes into a bounded queue, and one thread sends what is in it. A full queue drops its oldest spans;
* a collector that is away is told of once in the log, and once when it answers again, not once for each batch;
* at the end, what is left is sent within `patience_seconds`, or not at all.

The tracer is the operator's own, not the process' global one, so that a library with traces of its own (MLflow's client
has some) sends none through here.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import SpanKind, StatusCode

from modelrollout import __version__
from modelrollout.adapters.tracing import Span, Value

log = logging.getLogger(__name__)

NAME = "modelrollout"
PREFIX = "modelrollout."
KNOWN = {"namespace": "k8s.namespace.name"}
"""Attributes for which OpenTelemetry has a name; all others are ours, below `PREFIX`."""

PATIENCE_SECONDS = 2.0


class OpenTelemetry:
    """`Tracer`. Close it."""

    def __init__(
        self,
        exporter: SpanExporter | None = None,
        *,
        identity: str = "",
        patience_seconds: float = PATIENCE_SECONDS,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`identity` is what the process is called in the Lease. Without `exporter` it is that of the environment."""
        self._patience_seconds = patience_seconds
        self._provider = TracerProvider(resource=_resource(identity, environ), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Told(exporter or OTLPSpanExporter())))
        self._tracer = self._provider.get_tracer(NAME, __version__)

    def span(self, title: str, /, **attributes: Value | None) -> contextlib.AbstractContextManager[Span]:
        return self._open(title, SpanKind.INTERNAL, attributes)

    def call(self, title: str, /, **attributes: Value | None) -> contextlib.AbstractContextManager[Span]:
        return self._open(title, SpanKind.CLIENT, attributes)

    @contextlib.contextmanager
    def _open(self, title: str, kind: SpanKind, attributes: Mapping[str, Value | None]) -> Iterator[Span]:
        """Without the SDK's event and traceback for each exception: refusals are part of the work, and are named."""
        with self._tracer.start_as_current_span(
            title, kind=kind, attributes=_named(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            told = _Span(span)
            try:
                yield told
            except BaseException as error:
                if not told.failed:
                    told.fail(f"{type(error).__name__}: {error}")
                raise

    async def close(self) -> None:
        """In a thread that nobody waits for when the process ends: the SDK may take half a minute over it."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(sent.set)

        threading.Thread(target=end, name="otel-close", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sent.wait(), self._patience_seconds)


class _Span:
    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        self.failed = False

    def set(self, **attributes: Value | None) -> None:
        self._span.set_attributes(_named(attributes))

    def event(self, title: str, /, **attributes: Value | None) -> None:
        self._span.add_event(title, _named(attributes))

    def fail(self, why: str) -> None:
        self.failed = True
        self._span.set_status(StatusCode.ERROR, why)


class _Told(SpanExporter):
    """Another exporter, whose luck is told when it changes. Used by the SDK's one thread alone."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._fails = False
        self._said = _Said()
        logging.getLogger(type(exporter).__module__).addFilter(self._said)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._said.listen()
        result = self._exporter.export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            log.warning("traces cannot be sent and are dropped; nothing else waits for them: %s", self._said.first)
        elif self._fails and not fails:
            log.info("traces are sent again")
        self._fails = fails
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
        logging.getLogger(type(self._exporter).__module__).removeFilter(self._said)


class _Said(logging.Filter):
    """Takes what an exporter logs at each try of each batch; its first words of a batch have the cause."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""
        self._thread = 0

    def listen(self) -> None:
        """To what this thread logs from now on: the logger is that of all exporters."""
        self.first = ""
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        self.first = self.first or record.getMessage()
        return False


def _named(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {KNOWN.get(key) or PREFIX + key: value for key, value in attributes.items() if value is not None}


def _resource(identity: str, environ: Mapping[str, str]) -> Resource:
    """What the environment says of the process, before what is known of it here."""
    known = {"service.name": NAME, "service.version": __version__}
    if identity:
        known["service.instance.id"] = identity
    if environ.get("POD_NAMESPACE"):
        known |= {"k8s.namespace.name": environ["POD_NAMESPACE"], "k8s.pod.name": environ.get("POD_NAME", identity)}
    return Resource.create(known).merge(OTELResourceDetector().detect())
