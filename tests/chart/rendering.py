"""The chart and the Kustomize manifests, rendered by the programs that people use, as plain objects."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import binaries, settings

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "modelrollout"
MANIFESTS = ROOT / "manifests"

Object = dict[str, Any]
Values = Mapping[str, Any]


@cache
def program(name: str) -> Path:
    """From the cache, where `python -m cluster binaries` puts it."""
    known = binaries.PROGRAMS[name]
    path = settings.load().cache / f"{name}-{binaries.version(known.module, folder=known.folder)}" / name
    if not path.is_file():
        pytest.fail(f"The tests of the chart need {name}: build it with `python -m cluster binaries`.")
    return path


def helm(*arguments: str | Path, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    """One command of Helm, with `values` as a file."""
    given = ("--values", "-") if values is not None else ()
    command = [str(part) for part in (program("helm"), *arguments, *given)]
    feed = None if values is None else yaml.safe_dump(dict(values))
    return subprocess.run(command, input=feed, capture_output=True, text=True, timeout=60, check=False)


def template(values: Values | None = None, *, chart: Path = CHART, release: str = "modelrollout") -> list[Object]:
    """What an installation as `release` into the namespace modelrollout is made of."""
    done = helm("template", release, chart, "--namespace", "modelrollout", values=values or {})
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def refusal(values: Values) -> str:
    """What Helm says to values that it does not take."""
    done = helm("template", "modelrollout", CHART, "--namespace", "modelrollout", values=values)
    assert done.returncode != 0, "these values were taken"
    return done.stderr.strip()


def kustomize(folder: Path, *components: str, extra: Mapping[str, Any] | None = None) -> list[Object]:
    """The base with some components, as a user's own kustomization in `folder` puts them together."""
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": [os.path.relpath(MANIFESTS / "base", folder)],
                "components": [os.path.relpath(MANIFESTS / "components" / name, folder) for name in components],
                **(extra or {}),
            }
        )
    )
    command = [str(program("kubectl")), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def objects(text: str) -> list[Object]:
    return [one for one in yaml.safe_load_all(text) if one]


def named(rendered: Iterable[Object], kind: str, name: str = "modelrollout") -> Object:
    """The only one of this kind and name."""
    (found,) = [one for one in rendered if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def kinds(rendered: Sequence[Object]) -> set[str]:
    return {one["kind"] for one in rendered}
