"""`kubectl model adopt` and `release`: there and back, as manifests that are accepted, and steps in their order."""

import copy
from typing import Any

import pytest
import yaml

from modelrollout.api.modeldeployment import ModelDeployment
from modelrollout.cli import adopt, release
from tests.builders import id_of, live, rolling, spec
from tests.unit.cli.stand import Printed, Stand

NAMESPACE = "payments"
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "scorer", "namespace": NAMESPACE},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "scorer"}},
        "template": {
            "metadata": {
                "labels": {"app": "scorer", "team": "risk"},
                "annotations": {"prometheus.io/scrape": "true", "kubectl.kubernetes.io/restartedAt": "2026-11-01"},
            },
            "spec": {
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "terminationGracePeriodSeconds": 60,
                "containers": [
                    {
                        "name": "server",
                        "image": "registry.example:5000/scorer-mlserver:7",
                        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}},
                        "terminationMessagePath": "/dev/termination-log",
                        "resources": {},
                    }
                ],
            },
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "scorer", "namespace": NAMESPACE},
    "spec": {"selector": {"app": "scorer"}, "ports": [{"port": 80, "targetPort": "http"}]},
}
ROUTE: dict[str, Any] = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "scorer", "namespace": NAMESPACE},
    "spec": {
        "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}],
        "hostnames": ["scorer.example.com"],
        "rules": [{"backendRefs": [{"name": "scorer", "port": 80, "weight": 1}]}],
    },
}


def stand(*others: dict[str, Any]) -> Stand:
    made = Stand()
    made.put(DEPLOYMENT, SERVICE, ROUTE, *others)
    return made


def adopted(*words: str, among: Stand | None = None) -> Printed:
    return (among or stand()).run(adopt.run, *words)


def steps(printed: Printed) -> list[str]:
    return [line.removeprefix("#   ") for line in printed.lines if line.startswith(("#   kubectl", "#   sleep"))]


def test_what_serves_becomes_a_manifest_that_is_accepted() -> None:
    printed = adopted("deployment/scorer", "--httproute", "scorer")
    made = yaml.safe_load(printed.out)
    read = ModelDeployment.read(made).spec
    assert (made["metadata"]["name"], read.serving.replicas, read.serving.port) == ("scorer-model", 3, 8080)
    assert (read.model.version, read.model.uri) == ("7", "image://registry.example:5000/scorer-mlserver")
    assert read.serving.server == "MLServer"
    assert made["spec"]["route"] == {"parentRefs": [{"name": "public"}], "hostnames": ["scorer.example.com"]}


def test_the_template_is_as_somebody_would_have_written_it_and_the_old_service_does_not_select_it() -> None:
    made = yaml.safe_load(adopted("scorer").out)["spec"]["serving"]["template"]
    assert made == {
        "metadata": {"labels": {"team": "risk"}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {
            "terminationGracePeriodSeconds": 60,
            "containers": [
                {
                    "name": "server",
                    "image": "registry.example:5000/scorer-mlserver:7",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                }
            ],
        },
    }


def test_users_of_a_route_are_moved_when_the_gateway_knows_the_new_backend() -> None:
    printed = adopted("scorer", "--httproute", "scorer")
    made = steps(printed)
    assert [" ".join(one.split()[:3]) for one in made] == [
        "kubectl apply -f",
        "kubectl wait --for=condition=Ready",
        "kubectl patch httproute",
        "sleep 10",
        "kubectl patch httproute",
        "sleep 10",
        "kubectl delete httproute",
        "kubectl delete deployment",
    ]
    known, moved = (yaml.safe_load(one.partition(" -p ")[2].strip("'"))[0]["value"] for one in (made[2], made[4]))
    assert [one["weight"] for one in known] == [1, 0]
    assert [one["weight"] for one in moved] == [0, 1]
    assert known[1]["name"].startswith("scorer-model-")
    assert known[1]["port"] == 8080


def test_users_of_a_service_are_moved_by_its_selector() -> None:
    (patch,) = [one for one in steps(adopted("scorer")) if "patch service" in one]
    assert yaml.safe_load(patch.partition(" -p ")[2].strip("'")) == {
        "spec": {"selector": {"app": None, "modelrollout.dev/name": "scorer-model"}}
    }


def test_a_server_that_nobody_knows_is_watched_by_its_restarts() -> None:
    plain = copy.deepcopy(DEPLOYMENT)
    plain["spec"]["template"]["spec"]["containers"][0]["image"] = "scorer:7"
    made = Stand()
    made.put(plain, SERVICE)
    printed = made.run(adopt.run, "scorer")
    assert yaml.safe_load(printed.out)["spec"]["rollout"] == {"gates": [{"name": "restarts", "signal": "Restarts"}]}
    assert "add gates" in printed.error


def with_image(image: str) -> dict[str, Any]:
    made = copy.deepcopy(DEPLOYMENT)
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return made


def with_route(**spec: Any) -> dict[str, Any]:
    return {**ROUTE, "spec": {**ROUTE["spec"], **spec}}


FILTERED = [{"backendRefs": [{"name": "scorer", "port": 80}], "filters": [{"type": "URLRewrite"}]}]
TWO = [{"backendRefs": [{"name": "scorer", "port": 80}, {"name": "other", "port": 80}]}]


@pytest.mark.parametrize(
    ("words", "others", "said"),
    [
        (["deployment/scored"], [], "there is no Deployment scored in namespace payments"),
        (["scorer", "--name", "scorer"], [], "there is a Service scorer already; choose another name with --name"),
        (["scorer"], [with_image("scorer:latest")], "say --version"),
        (["scorer", "--httproute", "scorer"], [with_route(rules=FILTERED)], "leave --httproute out"),
        (["scorer", "--httproute", "scorer"], [with_route(rules=TWO)], "more than one rule or backend"),
        (["scorer", "--name", "Scorer"], [], "the manifest would be refused: metadata.name must start"),
        (
            ["scorer"],
            [{**SERVICE, "metadata": {"name": "second", "namespace": NAMESPACE}}],
            "several Services send requests to these pods (scorer, second); say --service",
        ),
    ],
)
def test_what_cannot_be_adopted_is_told_with_the_remedy(words: list[str], others: list[Any], said: str) -> None:
    printed = adopted(*words, among=stand(*others))
    assert printed.code == 2
    assert said in printed.error
    assert not printed.out


def test_a_digest_is_a_version() -> None:
    printed = adopted("scorer", among=stand(with_image("scorer-mlserver@sha256:4c1f00aa11bb22cc33dd")))
    assert yaml.safe_load(printed.out)["spec"]["model"]["version"] == "4c1f00aa11bb"


def test_what_is_live_is_given_back_with_its_template_and_a_name_of_its_own() -> None:
    printed = Stand(observation=live(spec("1"))).run(release.run, "fraud", "--name", "scorer")
    deployment, service, *routes = yaml.safe_load_all(printed.out)
    assert [one["kind"] for one in (deployment, service, *routes)] == ["Deployment", "Service", "HTTPRoute"]
    template = deployment["spec"]["template"]
    assert template["spec"] == spec("1").serving.template["spec"]
    assert template["metadata"]["labels"].items() >= deployment["spec"]["selector"]["matchLabels"].items()
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert routes[0]["spec"]["rules"] == [{"backendRefs": [{"name": "scorer", "port": spec("1").serving.port}]}]


def test_the_children_lose_their_owner_before_anything_of_them_goes() -> None:
    made = steps(Stand(observation=live(spec("1"))).run(release.run, "fraud"))
    orphaned = next(place for place, one in enumerate(made) if "--cascade=orphan" in one)
    gone = [place for place, one in enumerate(made) if one.startswith("kubectl delete") and place != orphaned]
    assert gone
    assert orphaned < min(gone)
    assert f"fraud-{id_of(spec('1'))}" in next(one for one in made if '"replace"' in one)


def test_nothing_is_released_in_the_middle_of_a_rollout() -> None:
    from modelrollout.api.modeldeployment import StageName

    printed = Stand(observation=rolling(spec("2"), StageName.CANARY, weight=5)).run(release.run, "fraud")
    assert (printed.code, printed.error) == (1, "fraud is in stage Canary; release it when it is Live")
