"""Spans, as the rest of the operator sees them: opened around work, told what came of it, and gone.

Nobody but `adapters.opentelemetry` knows what becomes of a span, and that module is imported only where the environment
asks for traces. Otherwise there is `NoTracer`, whose spans are one object that does nothing: no list, no thread, no
import.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

Value = str | bool | int | float

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"


class Span(Protocol):
    def set(self, **attributes: Value | None) -> None:
        """One that is None is not known, and left out."""
        ...

    def event(self, title: str, /, **attributes: Value | None) -> None:
        """Something that happened within."""
        ...

    def fail(self, why: str) -> None: ...


class Tracer(Protocol):
    """Spans that are opened within another's block, by the same task or one that it starts, are its children."""

    def span(self, title: str, /, **attributes: Value | None) -> AbstractContextManager[Span]:
        """Work of our own. Titles are few; what differs from case to case is an attribute."""
        ...

    def call(self, title: str, /, **attributes: Value | None) -> AbstractContextManager[Span]:
        """A question to another system."""
        ...

    async def close(self) -> None:
        """Send what is left, without waiting for long."""
        ...


class NoSpan:
    def set(self, **attributes: Value | None) -> None:
        """Nobody asks."""

    def event(self, title: str, /, **attributes: Value | None) -> None:
        """Nobody asks."""

    def fail(self, why: str) -> None:
        """Nobody asks."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing to end."""


NO_SPAN = NoSpan()


class NoTracer:
    """Of an operator that sends no traces."""

    def span(self, title: str, /, **attributes: Value | None) -> NoSpan:
        return NO_SPAN

    def call(self, title: str, /, **attributes: Value | None) -> NoSpan:
        return NO_SPAN

    async def close(self) -> None:
        """Nothing to close."""


NO_TRACER = NoTracer()


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables ask for traces: by an endpoint, or by naming the exporter `otlp`.

    ValueError, naming the variable and the remedy, for what cannot be done here.
    """
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    endpoints = [name for name in ENDPOINTS if environ.get(name)]
    if disabled or exporter == "none" or not (endpoints or exporter):
        return False
    if exporter not in ("", "otlp"):
        raise ValueError(f"OTEL_TRACES_EXPORTER is {exporter}: traces can be sent by otlp alone; name that, or none")
    for name in endpoints:
        parts = urlsplit(environ[name])
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"{name} must be the http or https address of a collector, such as http://collector:4318, "
                f"not {environ[name]}"
            )
    for name in PROTOCOLS:
        if environ.get(name, PROTOCOL) not in ("", PROTOCOL):
            raise ValueError(
                f"{name} is {environ[name]}: traces can be sent by {PROTOCOL} alone; name that, and the collector's "
                "port for it, which usually is 4318"
            )
    return True
