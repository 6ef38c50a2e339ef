"""What the process is told at its start: by flags, with the environment as default, so that manifests stay readable."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OBSERVER_IMAGE = "modelrollout/observer:dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`namespace` None watches all namespaces. `identity` names this process in the Lease."""

    prometheus_url: str
    namespace: str | None
    lease_namespace: str
    lease_name: str
    identity: str
    observer_image: str
    port: int
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
        workers=given.workers,
        verbose=given.verbose,
    )
