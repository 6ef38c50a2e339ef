"""What the process is told at its start: by flags, with the environment as default, so that manifests stay readable."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OBSERVER_IMAGE = "modelrollout/observer:dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`namespace` None watches all namespaces. `identity` names this process in the Lease, and `account` is the user
    name that the API server knows it by. Without `alerts_token_file` nobody listens for alerts.
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


def parse(arguments: Sequence[str], *, environ: Mapping[str, str] = os.environ) -> Settings:
    parser = argparse.ArgumentParser(prog="modelrollout", description="Runs the modelrollout operator.")
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
    parser.add_argument("--verbose", action="store_true", help="log every reconcile")
    given = parser.parse_args(arguments)
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
    )


def _account(environ: Mapping[str, str]) -> str:
    namespace, account = environ.get("POD_NAMESPACE", "modelrollout"), environ.get("POD_SERVICE_ACCOUNT")
    return f"system:serviceaccount:{namespace}:{account or 'modelrollout'}"
