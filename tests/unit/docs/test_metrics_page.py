"""`docs/metrics.md` is what the code says, and the code says what it exports."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from prometheus_client import CollectorRegistry, ProcessCollector

from modelrollout.data.tally import COUNTERS, GAUGES
from modelrollout.observer import telemetry as of_observer
from modelrollout.runtime import telemetry as of_operator

ROOT = Path(__file__).resolve().parents[3]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metrics_page", ROOT / "scripts" / "metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exported(registry: CollectorRegistry) -> set[str]:
    """Names as Prometheus stores them, without those of the process."""
    own = CollectorRegistry()
    ProcessCollector(registry=own)
    process = {family.name for family in own.collect()}
    families = [family for family in registry.collect() if family.name not in process]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def tables() -> Iterable[set[str]]:
    module = script()
    return [module.names(path) for _, _, path in module.PARTS]


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == script().rendered()


def test_each_table_tells_of_all_that_is_exported_and_of_nothing_else() -> None:
    operator, observer, data = tables()
    assert operator == exported(of_operator.Telemetry().registry)
    assert observer == exported(of_observer.Telemetry(held=lambda: 0, pending=lambda: 0).registry)
    assert data == {*COUNTERS, *GAUGES}
