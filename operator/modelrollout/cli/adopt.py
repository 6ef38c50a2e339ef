"""`kubectl model adopt`: the manifest that takes over a Deployment, and the steps in which nobody loses a request."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from modelrollout.adapters.kubernetes.resources import DEPLOYMENTS, HTTP_ROUTES, MODEL_DEPLOYMENTS, SERVICES
from modelrollout.cli import flags
from modelrollout.cli.cluster import Cluster, Connect, connect
from modelrollout.cli.errors import CliError
from modelrollout.cli.terminal import Terminal, document

_DESCRIPTION = """\
Write the ModelDeployment that takes over a running Deployment, and the commands that move its users without a failed
request. Nothing is changed: the manifest is printed, and the steps stand in its first lines.
"""
_EPILOG = """\
The ModelDeployment has a name of its own (--name), because what it makes stands beside what runs until users have
moved. With --httproute users come by that route, which has to send all of its requests to this model; without it they
come by the Service. kubectl model release gives it back.
"""
SERVERS = ("MLServer", "KServe", "Triton", "VLLM", "Envoy", "Custom")


def parser() -> argparse.ArgumentParser:
    made = flags.parser("adopt", _DESCRIPTION, epilog=_EPILOG)
    made.add_argument("deployment", metavar="deployment/NAME", type=_deployment, help="the Deployment that serves")
    made.add_argument("--httproute", metavar="NAME", help="the HTTPRoute by which users come")
    made.add_argument("--service", metavar="NAME", help="its Service (default: the route's, or the only one)")
    made.add_argument("--name", metavar="NAME", help="of the ModelDeployment (default: the Deployment's, with -model)")
    made.add_argument("--model", metavar="NAME", help="name of the model (default: the Deployment's name)")
    made.add_argument("--version", metavar="VERSION", help="version of the model (default: the image's tag)")
    made.add_argument("--server", choices=SERVERS, help="the model server (default: what its image looks like)")
    made.add_argument("--port", metavar="PORT", type=int, help="port of the pods (default: the Service's)")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    screen = terminal or Terminal()
    from modelrollout.cli.adoption import Running, Wishes, manifest, steps

    name = options.name or f"{options.deployment}-model"
    with connect(options) as cluster:
        deployment = _found(cluster, DEPLOYMENTS, options.deployment)
        route = _found(cluster, HTTP_ROUTES, options.httproute) if options.httproute else None
        running = Running(deployment=deployment, service=_service(cluster, deployment, route, options), route=route)
        _name_is_free(cluster, name)
    wishes = Wishes(name=name, model=options.model, version=options.version, server=options.server, port=options.port)
    made = manifest(running, wishes)
    service = _checked(made)
    screen.line("# Takes over Deployment " + running.name + ". In this order, each when the one before is done:")
    for command, what in steps(running, made, revision_service=service, file=f"{name}.yaml"):
        screen.line(f"#   {command}\n#       # {what}")
    screen.line(document(made, "yaml"))
    if "rollout" in made["spec"]:
        screen.note("nothing is known of this server's metrics: rollout.gates looks at restarts alone; add gates")
    return 0


def _deployment(text: str) -> str:
    kind, slash, name = text.rpartition("/")
    if slash and kind.partition(".")[0] not in ("deployment", "deployments", "deploy"):
        raise argparse.ArgumentTypeError(f"{text!r} is no Deployment; give deployment/NAME")
    return name


def _found(cluster: Cluster, resource: Any, name: str) -> Mapping[str, Any]:
    found = cluster.api.get(resource, namespace=cluster.namespace, name=name)
    if found is None:
        raise CliError(f"there is no {resource.kind} {name} in namespace {cluster.namespace}")
    return found


def _service(
    cluster: Cluster, deployment: Mapping[str, Any], route: Mapping[str, Any] | None, options: argparse.Namespace
) -> Mapping[str, Any] | None:
    """By name, by the route, or the only one that selects the Deployment's pods."""
    if options.service:
        return _found(cluster, SERVICES, options.service)
    if route is not None:
        backends = [ref for rule in route["spec"].get("rules", ()) for ref in rule.get("backendRefs", ())]
        return _found(cluster, SERVICES, backends[0]["name"]) if backends else None
    labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    selecting = [
        one
        for one in cluster.api.list(SERVICES, namespace=cluster.namespace)
        if (selector := one["spec"].get("selector")) and selector.items() <= labels.items()
    ]
    if len(selecting) > 1:
        names = ", ".join(sorted(one["metadata"]["name"] for one in selecting))
        raise CliError(f"several Services send requests to these pods ({names}); say --service")
    return selecting[0] if selecting else None


def _name_is_free(cluster: Cluster, name: str) -> None:
    """The ModelDeployment's Service and route have its own name, and what is there is not ours to write."""
    for resource in (MODEL_DEPLOYMENTS, SERVICES, HTTP_ROUTES):
        if cluster.api.get(resource, namespace=cluster.namespace, name=name) is not None:
            raise CliError(f"there is a {resource.kind} {name} already; choose another name with --name")


def _checked(made: Mapping[str, Any]) -> str:
    """The name of the revision's Service. Raises CliError where the API server would refuse the manifest."""
    from modelrollout.api.modeldeployment import ModelDeployment
    from modelrollout.api.revision import child_name, digest, short
    from modelrollout.cli.check import errors

    for finding in errors(made):
        raise CliError(f"the manifest would be refused: {finding.message}")
    spec = ModelDeployment.read(made).spec
    return child_name(made["metadata"]["name"], short(digest(spec.model, spec.serving)))
