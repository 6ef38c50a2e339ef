"""What the process is told at its start: by flags, with the environment as default, so that manifests stay readable."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelrollout.adapters import tracing
from modelrollout.plan.observation import CHAMPION, PREVIOUS, Writing
from modelrollout.runtime.resolver import POLL_SECONDS

OBSERVER_IMAGE = "modelrollout/observer:dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`namespace` None watches all namespaces. `identity` names this process in the Lease, and `account` is the user
    name that the API server knows it by. Without `alerts_token_file` nobody listens for alerts. `traces`: whether the
    environment asks for them; what it says of them is read by OpenTelemetry itself.
    """

    prometheus_url: str
    namespace: str | None
    lease_namespace: str
    lease_name: str
    identity: str
    observer_image: str
    port: int
    alertmanager_url: str | None
    alerts_token_file: Path | None
    alerts_port: int
    account: str
    workers: int
    verbose: bool
    mlflow_url: str | None = None
    mlflow_token_file: Path | None = None
    registry_poll_seconds: float = POLL_SECONDS
    writing: Writing = field(default_factory=Writing)
    traces: bool = False


def parse(arguments: Sequence[str], *, environ: Mapping[str, str] = os.environ) -> Settings:
    parser = argparse.ArgumentParser(
        prog="modelrollout",
        description="Runs the modelrollout operator.",
        epilog="Traces are sent where OTEL_EXPORTER_OTLP_ENDPOINT says, and as its other OTEL_ variables say; needs "
        "the extra modelrollout-operator[otel].",
    )
    parser.add_argument(
        "--prometheus",
        metavar="URL",
        default=environ.get("PROMETHEUS_URL", "http://prometheus.monitoring:9090"),
        help="base address of Prometheus (default: %(default)s)",
    )
    parser.add_argument("--namespace", help="watch this namespace only (default: all)")
    parser.add_argument("--lease-namespace", default=environ.get("POD_NAMESPACE", "modelrollout"))
    parser.add_argument("--lease-name", default="modelrollout")
    parser.add_argument("--identity", default=environ.get("POD_NAME") or f"{os.uname().nodename}-{os.getpid()}")
    parser.add_argument(
        "--observer-image",
        metavar="IMAGE",
        default=environ.get("OBSERVER_IMAGE", OBSERVER_IMAGE),
        help="what runs beside a rollout that is observed (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=8080, help="health and metrics (default: %(default)s)")
    parser.add_argument(
        "--alertmanager", metavar="URL", help="base address of Alertmanager, which is asked for silences"
    )
    parser.add_argument(
        "--alerts-token-file",
        metavar="FILE",
        type=Path,
        help="bearer tokens of who may send alerts, one a line; without it nobody listens for alerts",
    )
    parser.add_argument(
        "--alerts-port", type=int, default=8081, help="where alerts are listened for (default: %(default)s)"
    )
    parser.add_argument(
        "--account",
        default=_account(environ),
        help="user name that actions for alerts are made under; the API server checks it (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=8, help="rollouts that are reconciled at once")
    parser.add_argument(
        "--mlflow",
        metavar="URL",
        default=environ.get("MLFLOW_TRACKING_URI") or None,
        help="base address of the MLflow server that models:/ URIs are asked of; needs the extra modelrollout-operator"
        "[mlflow]. Credentials come from MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or --mlflow-token-file (default: no registry)",
    )
    parser.add_argument(
        "--mlflow-token-file", metavar="PATH", type=Path, help="file with a bearer token for MLflow, read at each use"
    )
    parser.add_argument(
        "--registry-poll",
        metavar="SECONDS",
        type=_poll,
        default=environ.get("REGISTRY_POLL_SECONDS", f"{POLL_SECONDS:g}"),
        help="how often aliases that are followed are looked at (default: %(default)s)",
    )
    parser.add_argument(
        "--champion-alias",
        metavar="NAME",
        default=CHAMPION,
        help="alias that is moved to the live version; empty: none (default: %(default)s)",
    )
    parser.add_argument(
        "--previous-alias",
        metavar="NAME",
        default=PREVIOUS,
        help="alias that is moved to the version before the live one; empty: none (default: %(default)s)",
    )
    parser.add_argument(
        "--cluster-name",
        metavar="NAME",
        default=environ.get("CLUSTER_NAME", ""),
        help="goes into the tags that model versions get, where several clusters share a registry",
    )
    parser.add_argument("--verbose", action="store_true", help="log every reconcile")
    given = parser.parse_args(arguments)
    try:
        traces = tracing.wanted(environ)
    except ValueError as error:
        parser.error(str(error))
    return Settings(
        prometheus_url=given.prometheus,
        namespace=given.namespace,
        lease_namespace=given.lease_namespace,
        lease_name=given.lease_name,
        identity=given.identity,
        observer_image=given.observer_image,
        port=given.port,
        alertmanager_url=given.alertmanager,
        alerts_token_file=given.alerts_token_file,
        alerts_port=given.alerts_port,
        account=given.account,
        workers=given.workers,
        verbose=given.verbose,
        mlflow_url=given.mlflow,
        mlflow_token_file=given.mlflow_token_file,
        registry_poll_seconds=given.registry_poll,
        writing=Writing(champion=given.champion_alias, previous=given.previous_alias, cluster=given.cluster_name),
        traces=traces,
    )


def _poll(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 86400 seconds")
    return seconds


def _account(environ: Mapping[str, str]) -> str:
    namespace, account = environ.get("POD_NAMESPACE", "modelrollout"), environ.get("POD_SERVICE_ACCOUNT")
    return f"system:serviceaccount:{namespace}:{account or 'modelrollout'}"
