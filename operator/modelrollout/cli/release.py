"""`kubectl model release`: the Deployment, Service and HTTPRoute that serve without us, and the steps to them."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelrollout.adapters.kubernetes.resources import DEPLOYMENTS, HTTP_ROUTES, SERVICES
from modelrollout.cli import flags
from modelrollout.cli.cluster import Cluster, Connect, connect
from modelrollout.cli.errors import CliError, RefusedError
from modelrollout.cli.find import revision
from modelrollout.cli.objects import Deployment
from modelrollout.cli.plain import JsonObject
from modelrollout.cli.terminal import Terminal, document

_DESCRIPTION = """\
Write the Deployment, the Service and the HTTPRoute that serve what is live without a ModelDeployment, and the commands
that move the users to them without a failed request. Nothing is changed: manifests are printed, and the steps stand in
their first lines.
"""
_EPILOG = """\
What is printed has a name of its own (--name), because it stands beside what runs until users have moved. ConfigMaps
are named as the pod template names them: their content is what it is now, not what it was when the version went live.
"""


def parser() -> argparse.ArgumentParser:
    made = flags.parser("release", _DESCRIPTION, epilog=_EPILOG)
    made.add_argument("name", metavar="NAME", type=flags.name_of, help="a ModelDeployment")
    made.add_argument("--name", dest="released_as", metavar="NAME", help="of what is printed (default: NAME-released)")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    screen = terminal or Terminal()
    name = options.released_as or f"{options.name}-released"
    with connect(options) as cluster:
        deployment = cluster.deployment(options.name)
        if deployment.candidate is not None or deployment.stable is None:
            raise RefusedError(
                f"{options.name} is in stage {deployment.stage or 'Install'}; release it when it is Live"
            )
        live = revision("live", deployment, cluster.revisions(options.name))
        _names_are_free(cluster, name)
    made = manifests(deployment, live.spec, name=name)
    screen.line(f"# Serves what ModelDeployment {options.name} has live (version {live.version}). In this order, each")
    screen.line("# when the one before is done:")
    for command, what in steps(deployment, made, file=f"{name}.yaml"):
        screen.line(f"#   {command}\n#       # {what}")
    screen.line("\n---\n".join(document(one, "yaml") for one in made))
    return 0


def manifests(deployment: Deployment, live: Mapping[str, Any], *, name: str) -> list[JsonObject]:
    spec, serving = deployment.body["spec"], live["serving"]
    metadata = {"name": name, "namespace": deployment.namespace}
    labels = {"app.kubernetes.io/name": name}
    pods = serving["template"]
    described = pods.get("metadata") or {}
    port = serving["port"]
    made: list[JsonObject] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": spec["serving"].get("replicas", 1),
                "selector": {"matchLabels": labels},
                "template": {
                    **pods,
                    "metadata": {**described, "labels": {**(described.get("labels") or {}), **labels}},
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": port, "targetPort": port}]},
        },
    ]
    if spec.get("route"):
        route = spec["route"]
        made.append(
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": metadata,
                "spec": {
                    "parentRefs": route["parentRefs"],
                    **({"hostnames": route["hostnames"]} if route.get("hostnames") else {}),
                    "rules": [{"backendRefs": [{"name": name, "port": port}]}],
                },
            }
        )
    return made


def steps(deployment: Deployment, made: Sequence[JsonObject], *, file: str) -> Iterator[tuple[str, str]]:
    """The children are left without their owner first, so that nothing of them goes before users have."""
    new, ours, where = made[0]["metadata"]["name"], deployment.name, f"-n {deployment.namespace}"
    port = made[1]["spec"]["ports"][0]["port"]
    yield f"kubectl apply -f {file}", "pods beside those of the ModelDeployment, without users"
    yield f"kubectl rollout status deployment/{new} {where} --timeout=15m", "until they serve"
    yield f"kubectl delete mdep {ours} {where} --cascade=orphan", "what it made stays as it is, and serves on"
    if len(made) > len(("Deployment", "Service")):
        add = json.dumps(
            [{"op": "add", "path": "/spec/rules/0/backendRefs/-", "value": {"name": new, "port": port, "weight": 0}}]
        )
        yield f"kubectl patch httproute {ours} {where} --type=json -p '{add}'", "the gateway gets to know them"
        yield "sleep 10", "until every gateway has heard of it"
        only = json.dumps(
            [{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": _moved(deployment, new, port)}]
        )
        yield f"kubectl patch httproute {ours} {where} --type=json -p '{only}'", "users come over"
        yield "sleep 10", "until the last answers are given"
        yield f"kubectl delete httproute {ours} {where}", f"HTTPRoute {new} takes its place"
    else:
        yield f"# let callers use Service {new} in place of Service {ours}", "then go on"
    kinds = "deployments,services,modelrevisions,rolloutactions"
    yield f"kubectl delete {kinds} {where} -l modelrollout.dev/name={ours}", "nobody asks them any more"


def _moved(deployment: Deployment, new: str, port: int) -> list[JsonObject]:
    """All to the new one, with the old one known still, so that the way back is one write too."""
    old = {"name": f"{deployment.name}-{deployment.stable}", "port": port, "weight": 0}
    return [old, {"name": new, "port": port, "weight": 1}]


def _names_are_free(cluster: Cluster, name: str) -> None:
    for resource in (DEPLOYMENTS, SERVICES, HTTP_ROUTES):
        if cluster.api.get(resource, namespace=cluster.namespace, name=name) is not None:
            raise CliError(f"there is a {resource.kind} {name} already; choose another name with --name")
