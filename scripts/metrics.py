"""The page about metrics, from the tables that stand in the first lines of the modules that export them.

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
_BEGINNING = """# Metrics and events

Generated from the code by `make crds`. No label grows with users or requests. `namespace` and `name` of
a rollout are the metrics' own labels, so scrape with `honorLabels: true`.
"""
_EVENTS = """## Events
One for each decision, on the ModelDeployment, once. `reason` is that of the decision, and
[troubleshooting.md](troubleshooting.md) has them all. The type is Warning where somebody has to do something or a
version was taken back, else Normal.
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
    return "\n".join([*parts, _EVENTS])
