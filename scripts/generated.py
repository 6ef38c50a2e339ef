"""Files that are made from something else and never edited: written, or held against what they should be.

    python -m scripts.generated [--check]

The definitions and the pages of all fields and all metrics are made from the code, the dashboards from
scripts/dashboards.py. The chart has copies of what manifests/ and crds/ say, because Helm reads no file outside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from modelrollout.api import crd, docs
from scripts import dashboards, metrics

ROOT = Path(__file__).resolve().parents[1]
CRDS = Path("crds")
DASHBOARDS = Path("manifests/components/monitoring/dashboards")
CHART = Path("helm/modelrollout/files")
COPIED = (
    *(Path("manifests/base", f"{name}.yaml") for name in ("admission", "confinement", "rbac", "roles")),
    *(Path("manifests/components/monitoring", f"{name}.yaml") for name in ("datarules", "prometheusrule")),
)


def wanted(root: Path) -> dict[Path, str]:
    """The text of each file, by its path below `root`, where the originals of the copies are read."""
    definitions = crd.rendered()
    boards = {path.name: path.read_text() for path in (root / DASHBOARDS).glob("*.json")} | dashboards.rendered()
    return {
        **{CRDS / name: text for name, text in definitions.items()},
        Path("docs/reference.md"): docs.rendered(),
        Path("docs/metrics.md"): metrics.rendered(),
        **{DASHBOARDS / name: text for name, text in boards.items()},
        **{CHART / "crds" / name: text for name, text in definitions.items()},
        **{CHART / "dashboards" / name: text for name, text in boards.items()},
        **{CHART / path.name: (root / path).read_text() for path in COPIED},
    }


def left_over(root: Path) -> set[Path]:
    """Files that were made once, of kinds and originals that are no more."""
    made = {path for path in (root / CRDS).glob("*.yaml") if path.read_text().startswith(crd.HEADER)}
    made |= {path for path in (root / CHART).rglob("*") if path.is_file()}
    return {path.relative_to(root) for path in made} - wanted(root).keys()


def stale(root: Path) -> list[Path]:
    """Files that are not what they should be, that lack, or that are left over."""
    differing = {path for path, text in wanted(root).items() if _read(root / path) != text}
    return sorted(differing | left_over(root))


def write(root: Path) -> None:
    for path in left_over(root):
        (root / path).unlink()
    for path, text in wanted(root).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.generated", description="Write the files that are made from something else."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when one of them is out of date")
    if not parser.parse_args(arguments).check:
        write(root)
        return 0
    if paths := stale(root):
        print(f"{', '.join(map(str, paths))}: out of date, or edited by hand. Run `make crds`.", file=sys.stderr)
    return 1 if paths else 0


if __name__ == "__main__":
    sys.exit(main())
