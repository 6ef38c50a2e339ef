"""The page about metrics, from the tables that stand in the first lines of the modules that export metrics and spans.

A test holds each table against what its module really exports. `make crds` writes it to docs/metrics.md.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "operator" / "modelrollout"
PARTS = (
    ("The operator", "On port 8080, `/metrics`, of each replica.", PACKAGE / "runtime" / "telemetry.py"),
    ("The observer", "On port 9090, `/metrics`, of its pod.", PACKAGE / "observer" / "telemetry.py"),
    (
        "Data",
        "From the observer, and from servers that use the middleware `modelrollout-observe`.",
        PACKAGE / "data" / "tally.py",
    ),
)
SPANS = PACKAGE / "runtime" / "traced.py"
_BEGINNING = """# Metrics, events and traces

Generated from the code by `make crds`. No label grows with users or requests. `namespace` and `name` of
a rollout are the metrics' own labels, so scrape with `honorLabels: true`.
"""
_EVENTS = """## Events
One for each decision, on the ModelDeployment, once. `reason` is that of the decision, and
[troubleshooting.md](troubleshooting.md) has them all. The type is Warning where somebody has to do something or a
version was taken back, else Normal.
"""

_TRACES = """## Traces
Where `OTEL_EXPORTER_OTLP_ENDPOINT` names an [OpenTelemetry](https://opentelemetry.io) collector, the operator sends
it spans, by OTLP over HTTP (`http/protobuf`, usually port 4318). With the chart that is `tracing.endpoint`, with
Kustomize the component `tracing`. The other standard variables hold as well, in `extraEnv`: `OTEL_TRACES_SAMPLER`,
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_MAX_QUEUE_SIZE` and so on. Without an endpoint
nothing of it is imported. The image has what it needs; elsewhere it is an extra:
`pip install modelrollout-operator[otel]`.

"""
_MORE_OF_TRACES = """
Attributes are below `modelrollout.`, but for the namespace, which is `k8s.namespace.name`. `result` of a look is that
of `modelrollout_reconcile_total`; `revision`, `stage`, `weight` and `reason` (of the condition `Ready`) are how
things shall stand after it. A question that a look asks is its child. Prometheus is asked for all rollouts at once,
so its queries are children of a `tick`; a look and the tick that its evidence was read in have the same `read_at`.
The registry is asked and told beside the looks, in spans of their own. The observer sends none.

No rollout waits for a collector: spans go into a bounded queue and are dropped where it is full, and a collector that
is away is told of once in the log. With many rollouts, sample: `OTEL_TRACES_SAMPLER=traceidratio` and
`OTEL_TRACES_SAMPLER_ARG=0.1` keep one look in ten, each with all its questions.
"""


def table(path: Path) -> list[str]:
    """The lines of the table in a module's docstring."""
    words = ast.get_docstring(ast.parse(path.read_text())) or ""
    return [line for line in words.splitlines() if line.startswith("|")]


def names(path: Path) -> set[str]:
    """The metrics that the table of a module tells of."""
    return {found[1] for line in table(path) if (found := re.match(r"\| `(\w+)`", line))}


def rendered() -> str:
    parts = [_BEGINNING]
    for title, where, path in PARTS:
        parts += [f"## {title}\n{where}\n", "\n".join(table(path)), ""]
    return "\n".join([*parts, _EVENTS, _TRACES + "\n".join(table(SPANS)), _MORE_OF_TRACES])
