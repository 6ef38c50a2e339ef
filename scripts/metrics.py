"""Writes docs/metrics.md from the tables that stand in the first lines of the modules that export the metrics.

    python scripts/metrics.py [FILE] [--check]

A test holds each table against what its module really exports.
"""

import argparse
import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = Path("docs/metrics.md")
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

Generated from the code by `python scripts/metrics.py`. No label grows with users or requests. `namespace` and `name` of
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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/metrics.py", description="Write the page about metrics.")
    parser.add_argument("file", nargs="?", type=Path, default=FILE, help="where to (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is out of date")
    chosen = parser.parse_args(arguments)
    text = rendered()
    if not chosen.check:
        chosen.file.write_text(text)
        return 0
    if not chosen.file.exists() or chosen.file.read_text() != text:
        print(f"{chosen.file} differs from the code: run python scripts/metrics.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
