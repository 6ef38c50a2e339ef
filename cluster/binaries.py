"""Builds the Go programs of a cluster from the modules that the ``go.mod`` files name.

The Go module proxy is reached from machines that reach no image registry and no download page, and the checksums in
``go.sum`` make the result the same everywhere. Versions are read from ``go.mod``, so that they are written in one
place. Contour has a module of its own, because it does not compile with the Kubernetes libraries of the cluster's own
version, and so has Prometheus, which Debian ships without the discovery of pods. kstatus, which only tests need, has
one so that nothing of it gets into the cluster.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cluster import cache
from cluster.errors import ClusterError
from cluster.process import require, run
from cluster.settings import SOURCE, Settings

KUBERNETES = "k8s.io/kubernetes"
CONTOUR = "github.com/projectcontour/contour"
PROMETHEUS = "github.com/prometheus/prometheus"
HELM = "helm.sh/helm/v4"
ACTIONLINT = "github.com/rhysd/actionlint"
GATEWAY_API = "sigs.k8s.io/gateway-api"
PAUSE_VERSION = "3.10.2"
# The discoveries of the cloud providers would take most of the compile time.
PROMETHEUS_TAGS = "remove_all_sd,enable_kubernetes_sd"


@dataclass(frozen=True)
class Program:
    """One executable: its package, the module whose version it carries, and the folder of the ``go.mod``."""

    name: str
    package: str
    module: str
    folder: Path = SOURCE
    tags: str = ""


PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (
        Program("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
        *(
            Program(name, f"{KUBERNETES}/cmd/{name}", KUBERNETES)
            for name in (
                "kube-apiserver",
                "kubectl",
                "kubeadm",
                "kube-controller-manager",
                "kube-scheduler",
                "kube-proxy",
                "kubelet",
            )
        ),
        Program("kind", "sigs.k8s.io/kind", "sigs.k8s.io/kind"),
        Program("contour", f"{CONTOUR}/cmd/contour", CONTOUR, folder=SOURCE / "contour"),
        Program(
            "prometheus",
            f"{PROMETHEUS}/cmd/prometheus",
            PROMETHEUS,
            folder=SOURCE / "prometheus",
            tags=PROMETHEUS_TAGS,
        ),
        Program(
            "promtool", f"{PROMETHEUS}/cmd/promtool", PROMETHEUS, folder=SOURCE / "prometheus", tags=PROMETHEUS_TAGS
        ),
        Program("helm", f"{HELM}/cmd/helm", HELM, folder=SOURCE / "helm"),
        Program("actionlint", f"{ACTIONLINT}/cmd/actionlint", ACTIONLINT, folder=SOURCE / "actionlint"),
        Program("coredns", "./coredns", "github.com/coredns/coredns"),
        Program("pause", "./pause", ""),
        Program("kstatus", "./", "github.com/fluxcd/cli-utils", folder=SOURCE / "kstatus"),
    )
}
API_SERVER_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
# For tests that need no cluster, and a cluster needs none of them but Prometheus.
TEST_PROGRAMS = ("prometheus", "promtool", "helm", "actionlint", "kstatus")
CLUSTER_PROGRAMS = tuple(name for name in PROGRAMS if name not in TEST_PROGRAMS[1:])


def version(module: str, *, folder: Path = SOURCE) -> str:
    """The version of a module without its leading ``v``."""
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} v(\S+)", (folder / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError(f"{folder / 'go.mod'} names no version of {module}: restore the file from Git.")
    return found.group(1)


def ensure(settings: Settings, *names: str) -> dict[str, Path]:
    """The executables of the named programs (those of a cluster without names), built where the cache lacks them."""
    return {name: _ensure(settings.cache, PROGRAMS[name]) for name in names or CLUSTER_PROGRAMS}


def _ensure(root: Path, program: Program) -> Path:
    folder = cache.piece(
        root, program.name, _key(program), what=f"building {program.name}", build=lambda into: _build(program, into)
    )
    return folder / program.name


def _key(program: Program) -> str:
    if not program.package.startswith("./"):
        return version(program.module, folder=program.folder)
    own = cache.digest(program.folder / program.package / "main.go")
    return f"{version(program.module, folder=program.folder) if program.module else PAUSE_VERSION}-{own}"


def _build(program: Program, into: Path) -> None:
    go = require("go", remedy=f"install Go {go_version()} or newer and put it on PATH.")
    cache.require_space(into, gib=8)
    run(
        *(
            go,
            "build",
            "-trimpath",
            "-tags",
            program.tags,
            "-ldflags",
            _link_flags(),
            "-o",
            into / program.name,
            program.package,
        ),
        what=f"Building {program.name}",
        cwd=program.folder,
        env={"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
    )


def _link_flags() -> str:
    """Kubernetes programs otherwise believe that they are v0.0.0, and kubeadm refuses to work with them."""
    number = version(KUBERNETES)
    major, minor = number.split(".")[:2]
    values = {"gitVersion": f"v{number}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s", "-w", *(f"-X {package}.{key}={value}" for package in packages for key, value in values.items())]
    )


def go_version() -> str:
    found = re.search(r"^go (\S+)", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    return found.group(1) if found else "1.26"


def module_files(module: str, *, folder: Path) -> Path:
    """The unpacked source of a module, for the manifests that modules carry beside their code."""
    go = require("go", remedy=f"install Go {go_version()} or newer and put it on PATH.")
    run(go, "mod", "download", module, what=f"Downloading {module}", cwd=folder)
    return Path(run(go, "list", "-m", "-f", "{{.Dir}}", module, what=f"Finding {module}", cwd=folder).strip())


def folders(settings: Settings) -> list[Path]:
    """The folders of the programs that a person calls by name, as far as we have built them, for ``PATH``."""
    found = [settings.cache / f"{name}-{_key(PROGRAMS[name])}" for name in ("kubectl", "kind")]
    return [folder for folder in found if folder.is_dir()]


def built_or_on_path(settings: Settings, name: str) -> Path:
    """Ours if it is built, else a person's own program, else ours built now."""
    program = PROGRAMS[name]
    if not (settings.cache / f"{name}-{_key(program)}").is_dir() and (found := shutil.which(name)):
        return Path(found)
    return ensure(settings, name)[name]
