"""Installs what a rollout needs around it: the Gateway API with one gateway, Prometheus and Alertmanager.

Everything is applied, never created, so that a set-up which was cut short is completed by the next one.
"""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

from cluster import alertmanager, binaries, cache, components, inside, kind, process
from cluster.errors import ClusterError
from cluster.progress import step
from cluster.settings import SOURCE, Settings

MANIFESTS = SOURCE / "manifests"
FILES = ("namespaces.yaml", "gateway.yaml", "prometheus.yaml", "alertmanager.yaml")
"""In the order in which they are applied: nothing comes before its namespace."""

CONTOUR_FOLDER = SOURCE / "contour"
DATA_RULES = SOURCE.parent / "manifests" / "components" / "monitoring" / "datarules.yaml"
HURRIED = {r"\[1h\]": "[30s]", r"\bfor: (15m|5m)\b": "for: 2s"}
"""Nobody waits an hour for the throw-away cluster: its rules on data look back for less."""

READY_SECONDS = 180
PUBLIC_CONTOUR = "ghcr.io/projectcontour/contour"
PUBLIC_ENVOY = "envoyproxy/envoy"
PUBLIC_PROMETHEUS = "prom/prometheus"


@dataclass(frozen=True)
class Images:
    """The images that the add-ons run from."""

    contour: str
    envoy: str
    prometheus: str
    alertmanager: str

    @classmethod
    def built(cls, settings: Settings) -> Images:
        """Those that the node image carries, and Alertmanager's, which is loaded into the node."""
        return cls(
            components.contour_tag(),
            components.envoy_tag(),
            components.prometheus_tag(),
            alertmanager.ensure(settings),
        )

    @classmethod
    def public(cls) -> Images:
        """The same programs from image registries."""
        contour = binaries.version(binaries.CONTOUR, folder=CONTOUR_FOLDER)
        prometheus = f"{PUBLIC_PROMETHEUS}:v{components.prometheus_version()}"
        envoy = f"{PUBLIC_ENVOY}:v{components.ENVOY_VERSION}"
        return cls(f"{PUBLIC_CONTOUR}:v{contour}", envoy, prometheus, alertmanager.PUBLIC)


def install(settings: Settings, images: Images) -> None:
    """Applies everything and waits until it serves."""
    definitions = _definitions(settings)
    with step("installing the gateway, Prometheus and Alertmanager"):
        _kubectl(settings, "--namespace=kube-system", "scale", "deployment/coredns", "--replicas=1")
        _kubectl(settings, "--namespace=kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=60s")
        _kubectl(settings, "apply", "--server-side", "--force-conflicts", f"--filename={definitions}")
        _kubectl(settings, "wait", "--for=condition=Established", "--timeout=60s", f"--filename={definitions}")
        _kubectl(settings, "apply", "--server-side", "--force-conflicts", "--filename=-", feed=manifests(images))
        for namespace, name in (
            ("gateways", "gateway"),
            ("monitoring", "prometheus"),
            ("monitoring", "alertmanager"),
            ("kube-system", "coredns"),
        ):
            _kubectl(
                settings,
                f"--namespace={namespace}",
                "rollout",
                "status",
                f"deployment/{name}",
                f"--timeout={READY_SECONDS}s",
            )
        _kubectl(
            settings, "--namespace=gateways", "wait", "--for=condition=Programmed", "--timeout=60s", "gateway/public"
        )
    _record(settings).write_text(_version())


def current(settings: Settings) -> bool:
    """Whether what runs is what the manifests of this checkout say, and is ready."""
    record = _record(settings)
    return record.exists() and record.read_text() == _version() and ready(settings)


def ready(settings: Settings) -> bool:
    """Whether the gateway, Prometheus and Alertmanager have a ready pod each."""
    query = "jsonpath={range .items[*]}{.metadata.name}={.status.readyReplicas} {end}"
    ask = (kind.kubectl(settings), "get", "deployments", "--all-namespaces", "-o", query, "--request-timeout=3s")
    try:
        text = process.run(
            *inside.command(settings, *ask), what="Asking for deployments", env=inside.environment(settings)
        )
    except ClusterError:
        return False
    return {"gateway=1", "prometheus=1", "alertmanager=1"} <= set(text.split())


def _record(settings: Settings) -> Path:
    return settings.state / "addons"


def _version() -> str:
    return cache.digest(MANIFESTS, DATA_RULES, Path(__file__))


def manifests(images: Images) -> str:
    text = "\n---\n".join((MANIFESTS / file).read_text() for file in FILES)
    data_rules = _data_rules()
    values = {
        "CONTOUR": images.contour,
        "ENVOY": images.envoy,
        "PROMETHEUS": images.prometheus,
        "ALERTMANAGER": images.alertmanager,
        "GATEWAY_NODE_PORT": str(kind.GATEWAY_NODE_PORT),
        "PROMETHEUS_NODE_PORT": str(kind.PROMETHEUS_NODE_PORT),
        "CONFIG": cache.digest(MANIFESTS / "prometheus.yaml", data_rules),
        "DATA_RULES": json.dumps(data_rules),
        "ALERTMANAGER_CONFIG": cache.digest(MANIFESTS / "alertmanager.yaml"),
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _data_rules() -> str:
    """A rule file as Prometheus itself reads it: what is told to its operator is one in a frame."""
    text = DATA_RULES.read_text()
    for pattern, instead in HURRIED.items():
        text, count = re.subn(pattern, instead, text)
        if not count:
            raise ClusterError(f"{DATA_RULES} has nothing like {pattern} any more; change HURRIED in {__file__}.")
    return textwrap.dedent(text.partition("\nspec:\n")[2])


def _definitions(settings: Settings) -> Path:
    """The definitions of the Gateway API, and of Contour, which insists on its own even where nobody uses them."""
    version = binaries.version(binaries.GATEWAY_API, folder=CONTOUR_FOLDER)
    contour = binaries.version(binaries.CONTOUR, folder=CONTOUR_FOLDER)
    what = "copying the Gateway API's definitions"
    return cache.piece(
        settings.cache, "gateway-api", f"{version}-contour-{contour}", what=what, build=_copy_definitions
    )


def _copy_definitions(into: Path) -> None:
    gateway_api = binaries.module_files(binaries.GATEWAY_API, folder=CONTOUR_FOLDER)
    for path in (gateway_api / "config/crd/experimental").glob("gateway.networking.k8s.io_*.yaml"):
        shutil.copyfile(path, into / path.name)
    contour = binaries.module_files(binaries.CONTOUR, folder=CONTOUR_FOLDER)
    shutil.copyfile(contour / "examples/contour/01-crds.yaml", into / "projectcontour.io.yaml")


def _kubectl(settings: Settings, *arguments: str | Path, feed: str | None = None) -> None:
    words = inside.command(settings, kind.kubectl(settings), *arguments)
    process.run(
        *words, what="Installing the gateway, Prometheus and Alertmanager", env=inside.environment(settings), feed=feed
    )
