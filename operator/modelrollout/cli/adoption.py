"""From a Deployment that serves, with its Service and its HTTPRoute, to the ModelDeployment that takes it over.

The ModelDeployment gets a name of its own, so that its children stand beside what runs, and nothing that somebody else
made is ever written. Users are moved last, by a route that both know: the old one gets the new backend with weight 0
first, because a gateway that hears of a backend and of its share at once can answer with 503 for a moment; then its
share, and then the old route goes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelrollout.cli.errors import CliError
from modelrollout.cli.plain import JsonObject, template

_SERVERS = (("mlserver", "MLServer"), ("triton", "Triton"), ("vllm", "VLLM"), ("kserve", "KServe"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What serves now. `route` sends all of its requests to `service`."""

    deployment: Mapping[str, Any]
    service: Mapping[str, Any] | None
    route: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        return str(self.deployment["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.deployment["metadata"]["namespace"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person said beside the name; None where it is to be found out."""

    name: str
    model: str | None = None
    version: str | None = None
    server: str | None = None
    port: int | None = None


def manifest(running: Running, wishes: Wishes) -> JsonObject:
    """Raises CliError, which names the flag, for what cannot be found out."""
    pods = running.deployment["spec"]["template"]
    chosen = (running.service or {}).get("spec", {}).get("selector") or {}
    matched = running.deployment["spec"]["selector"].get("matchLabels") or {}
    image = pods["spec"]["containers"][0]["image"]
    model = wishes.model or running.name
    route = _route(running)
    server = wishes.server or _server(pods["spec"]["containers"], routed=route is not None)
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": wishes.name, "namespace": running.namespace},
        "spec": {
            "model": {
                "name": model,
                "version": wishes.version or _tag(image),
                "uri": f"image://{_repository(image)}",
                "changelog": f"as Deployment {running.name} served it",
            },
            "serving": {
                "server": server,
                "replicas": running.deployment["spec"].get("replicas", 1),
                "port": wishes.port or _port(running, pods),
                "template": template(pods, without_labels=(*chosen, *matched)),
            },
            **({"route": route} if route is not None else {}),
            **({"rollout": {"gates": _GATES_OF_ANY_SERVER}} if server == "Custom" else {}),
        },
    }


_GATES_OF_ANY_SERVER = [{"name": "restarts", "signal": "Restarts"}]


def steps(running: Running, made: Mapping[str, Any], *, revision_service: str, file: str) -> Iterator[tuple[str, str]]:
    """Each step's command, and what comes of it. `revision_service` is the Service of the revision to come."""
    name, where = made["metadata"]["name"], f"-n {running.namespace}"
    port = made["spec"]["serving"]["port"]
    yield f"kubectl apply -f {file}", f"pods of its own are started; users stay on Deployment {running.name}"
    yield f"kubectl wait --for=condition=Ready --timeout=15m mdep/{name} {where}", "until they serve"
    if running.route is not None:
        route = running.route["metadata"]["name"]
        backends = running.route["spec"]["rules"][0]["backendRefs"]
        new = {"name": revision_service, "port": port}
        for weight, what in ((0, "the gateway gets to know them"), (1, "users come over")):
            told = [*({**one, "weight": 1 - weight} for one in backends), {**new, "weight": weight}]
            patch = json.dumps([{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": told}])
            yield f"kubectl patch httproute {route} {where} --type=json -p '{patch}'", what
            yield "sleep 10", "until every gateway has heard of it"
        yield f"kubectl delete httproute {route} {where}", f"the route of ModelDeployment {name} takes its place"
    elif running.service is not None:
        old = dict.fromkeys(running.service["spec"].get("selector") or {})
        patch = json.dumps({"spec": {"selector": {**old, "modelrollout.dev/name": name}}})
        service = running.service["metadata"]["name"]
        yield f"kubectl patch service {service} {where} -p '{patch}'", "users come over"
        yield "sleep 10", "until every node has heard of it"
    yield f"kubectl delete deployment {running.name} {where}", "nobody asks its pods any more"


def _route(running: Running) -> JsonObject | None:
    """The part of a ModelDeployment that says what the HTTPRoute said. Raises CliError for what it could not say."""
    if running.route is None:
        return None
    spec, name = running.route["spec"], running.route["metadata"]["name"]
    rules = spec.get("rules") or []
    if len(rules) != 1 or len(rules[0].get("backendRefs") or []) != 1:
        raise CliError(
            f"HTTPRoute {name} has more than one rule or backend; adopt a route that sends all of its requests to this "
            "model, or split this one first"
        )
    (rule,) = rules
    everything = [{"path": {"type": "PathPrefix", "value": "/"}}]
    if rule.get("filters") or (rule.get("matches") or everything) != everything:
        raise CliError(
            f"HTTPRoute {name} has filters or matches, which the route of a ModelDeployment does not have; leave "
            "--httproute out, and point that route at the Service of the ModelDeployment yourself"
        )
    parents = [
        {key: one[key] for key in ("name", "namespace", "sectionName") if key in one} for one in spec["parentRefs"]
    ]
    hostnames = spec.get("hostnames") or []
    return {"parentRefs": parents, **({"hostnames": list(hostnames)} if hostnames else {})}


def _server(containers: list[Mapping[str, Any]], *, routed: bool) -> str:
    words = " ".join(
        " ".join([one["image"], *one.get("command", ()), *one.get("args", ())]) for one in containers
    ).lower()
    for word, server in _SERVERS:
        if word in words:
            return server
    return "Envoy" if routed else "Custom"


def _port(running: Running, pods: Mapping[str, Any]) -> int:
    """The container's port that the Service, or the container itself, names."""
    named = {
        port["name"]: port["containerPort"]
        for one in pods["spec"]["containers"]
        for port in one.get("ports", ())
        if "name" in port
    }
    ports = (running.service or {}).get("spec", {}).get("ports") or []
    if len(ports) > 1 and running.route is not None:
        wanted = running.route["spec"]["rules"][0]["backendRefs"][0].get("port")
        ports = [one for one in ports if one["port"] == wanted]
    if len(ports) == 1:
        target = ports[0].get("targetPort", ports[0]["port"])
        if isinstance(target, int):
            return target
        if target in named:
            return int(named[target])
    declared = [port["containerPort"] for one in pods["spec"]["containers"] for port in one.get("ports", ())]
    if not ports and len(declared) == 1:
        return int(declared[0])
    raise CliError("it cannot be told on which port requests are answered; say --port")


def _tag(image: str) -> str:
    """The image's tag, or the first digits of its digest."""
    tagged, _, digest = image.partition("@")
    last = tagged.rpartition("/")[2]
    tag = last.partition(":")[2]
    if tag and tag != "latest":
        return tag
    if digest:
        return digest.partition(":")[2][:12]
    raise CliError(f"image {image} does not tell which version of the model it is; say --version")


def _repository(image: str) -> str:
    return re.sub(r":[^:/]+$", "", image.partition("@")[0])
