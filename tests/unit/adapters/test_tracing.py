"""Whether the environment asks for traces, and what it is told where it asks for what cannot be done."""

import pytest

from modelrollout.adapters.tracing import NO_SPAN, NO_TRACER, wanted

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HERE = {ENDPOINT: "http://collector:4318"}


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        (HERE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**HERE, "OTEL_SDK_DISABLED": "true"}, False),
        ({**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_SERVICE_NAME": "modelrollout", "OTEL_TRACES_SAMPLER": "always_on"}, False),
    ],
)
def test_it_asks_by_an_endpoint_or_by_the_exporters_name(environ: dict[str, str], asked: bool) -> None:
    assert wanted(environ) is asked


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is zipkin: traces can be sent by otlp alone"),
        ({ENDPOINT: "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be the http or https address"),
        (
            {**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is grpc: traces can be sent by http/protobuf alone",
        ),
    ],
)
def test_what_cannot_be_done_is_named_with_its_variable(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wanted(environ)


async def test_without_traces_every_span_is_the_same_nothing() -> None:
    with NO_TRACER.span("reconcile", namespace="ns") as span, NO_TRACER.call("kubernetes get") as call:
        span.set(result="ok")
        span.event("decision")
        span.fail("no")
    assert span is call is NO_SPAN
    await NO_TRACER.close()
