"""Traces at the start of the process: imported only where they are asked for, and a clear word where they cannot be."""

import builtins
import subprocess
import sys
from typing import Any

import pytest

from modelrollout.adapters.kubernetes import NotConfiguredError
from modelrollout.adapters.tracing import NO_TRACER
from modelrollout.runtime import main
from modelrollout.runtime.settings import parse

ASKED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def test_an_operator_that_sends_no_traces_does_not_import_opentelemetry() -> None:
    script = (
        "import sys; from modelrollout.runtime import main, settings; "
        "tracer = main._tracer(settings.parse([], environ={})); "
        "print(type(tracer).__name__, [name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "NoTracer []"


def test_none_without_being_asked() -> None:
    assert main._tracer(parse([], environ={})) is NO_TRACER


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "modelrollout.adapters.opentelemetry", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(NotConfiguredError, match=r"install modelrollout-operator\[otel\], or leave the variables"):
        main._tracer(parse([], environ=ASKED))


def test_what_cannot_be_done_ends_the_process_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse([], environ={"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"})
    assert "OTEL_EXPORTER_OTLP_ENDPOINT must be the http or https address of a collector" in capsys.readouterr().err


def test_a_variable_that_opentelemetry_refuses_is_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512")
    with pytest.raises(
        NotConfiguredError, match=r"OpenTelemetry refuses one of the variables OTEL_\*: max_export_batch"
    ):
        main._tracer(parse([], environ=ASKED))
