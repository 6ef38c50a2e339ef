"""The definitions of the Prometheus operator's kinds, so that an API server can judge what we ship for it.

No cluster of ours runs that operator: Prometheus there finds pods by annotation.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cluster import binaries, cache
from cluster.settings import SOURCE, Settings

MODULE = "github.com/prometheus-operator/prometheus-operator"
FOLDER = SOURCE / "monitoring"
KINDS = ("podmonitors", "prometheusrules", "servicemonitors")


def definitions(settings: Settings) -> Path:
    """A folder with their CustomResourceDefinitions."""
    version = binaries.version(MODULE, folder=FOLDER)
    what = "copying the Prometheus operator's definitions"
    return cache.piece(settings.cache, "prometheus-operator", version, what=what, build=_copy)


def _copy(into: Path) -> None:
    source = binaries.module_files(MODULE, folder=FOLDER) / "example" / "prometheus-operator-crd"
    for kind in KINDS:
        shutil.copyfile(source / f"monitoring.coreos.com_{kind}.yaml", into / f"{kind}.yaml")
