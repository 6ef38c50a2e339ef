"""What is in the images, for those who have to know: a CycloneDX document and a list of licences for each.

    python scripts/sbom.py [--into dist] [IMAGE ...]

Made from what the lock files of an image pin, installed into an environment of its own, so that it lists what the image
holds and nothing of a developer's machine. Debian's part is told by the image itself, in /var/lib/dpkg/status.d.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {
    "operator": (
        ROOT / "operator" / "requirements-mlflow.lock",
        ROOT / "operator" / "requirements-otel.lock",
    ),
    "observer": (ROOT / "operator" / "observer.lock",),
    "demo-server": (ROOT / "demo" / "server" / "requirements.lock",),
}
PYTHON = "3.11"
UNKNOWN = "not told"
# Packages whose metadata say nothing, by what the licence file in them is.
BY_THEIR_FILES = {"protobuf": "BSD-3-Clause"}
CLASSIFIER = "License :: OSI Approved :: "


def uv(*arguments: str | Path) -> None:
    program = shutil.which("uv") or sys.exit("sbom: uv is not on the PATH; scripts/setup fetches it")
    subprocess.run([program, *map(str, arguments)], check=True)


def document(locks: Sequence[Path]) -> dict[str, Any]:
    """The CycloneDX document of what lock files pin together, which is checked against its schema."""
    with tempfile.TemporaryDirectory() as folder:
        environment, made = Path(folder, "environment"), Path(folder, "bom.json")
        uv("venv", "--quiet", "--python", PYTHON, environment)
        uv("pip", "sync", "--quiet", "--python", environment, "--require-hashes", *locks)
        tools = ROOT / "requirements" / "supply.lock"
        run = ("run", "--quiet", "--no-project", "--isolated", "--with-requirements", tools)
        options = ("--validate", "--output-reproducible", "--output-file", made)
        uv(*run, "cyclonedx-py", "environment", *options, environment)
        found: dict[str, Any] = json.loads(made.read_text())
    return found


def licences(found: dict[str, Any]) -> dict[str, str]:
    """What each component says of itself, by name and version."""
    return {
        f"{one['name']} {one['version']}": " AND ".join(_told(one)) or BY_THEIR_FILES.get(one["name"], UNKNOWN)
        for one in found.get("components", [])
    }


def _told(component: dict[str, Any]) -> list[str]:
    """The best of what there is: an expression, then identifiers of SPDX, then names in other words."""
    entries = component.get("licenses", [])
    expressions = {entry["expression"] for entry in entries if "expression" in entry}
    licences = [entry["license"] for entry in entries if "license" in entry]
    identifiers = {licence["id"] for licence in licences if "id" in licence}
    names = {licence["name"].partition("\n")[0].removeprefix(CLASSIFIER) for licence in licences if "name" in licence}
    return sorted(expressions or identifiers or names)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the SBOM and the licences of the images.")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=", ".join(LOCKS))
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="folder (default: %(default)s)")
    chosen = parser.parse_args()
    for name in chosen.images:
        if name not in LOCKS:
            parser.error(f"there is no image {name!r}: use one of {', '.join(LOCKS)}")
    chosen.into.mkdir(parents=True, exist_ok=True)
    for name in chosen.images or LOCKS:
        found = document(LOCKS[name])
        (chosen.into / f"{name}.cdx.json").write_text(json.dumps(found, indent=2) + "\n")
        listed = "".join(
            f"{component}: {licence}\n"
            for component, licence in sorted(licences(found).items(), key=lambda one: one[0].lower())
        )
        (chosen.into / f"{name}.licences.txt").write_text(listed)
        print(f"{name}: {len(found['components'])} components, in {chosen.into}/{name}.cdx.json and .licences.txt")


if __name__ == "__main__":
    main()
