"""`docs/metrics.md` tells of what the code exports."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector

from modelrollout.data.tally import COUNTERS, GAUGES
from modelrollout.observer import telemetry as of_observer
from modelrollout.runtime import telemetry as of_operator
from scripts import metrics


def exported(registry: CollectorRegistry) -> set[str]:
    """Names as Prometheus stores them, without those of the process."""
    own = CollectorRegistry()
    ProcessCollector(registry=own)
    process = {family.name for family in own.collect()}
    families = [family for family in registry.collect() if family.name not in process]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def tables() -> Iterable[set[str]]:
    return [metrics.names(path) for _, _, path in metrics.PARTS]


def test_each_table_tells_of_all_that_is_exported_and_of_nothing_else() -> None:
    operator, observer, data = tables()
    assert operator == exported(of_operator.Telemetry().registry)
    assert observer == exported(of_observer.Telemetry(held=lambda: 0, pending=lambda: 0).registry)
    assert data == {*COUNTERS, *GAUGES}
