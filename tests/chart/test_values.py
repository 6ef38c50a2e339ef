"""What the chart makes of values, and what it says to those that it does not take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.children import Owner, observer_workload
from modelrollout.plan.actions import ApplyObserver
from tests.chart.normal import CLUSTER_WIDE
from tests.chart.rendering import CHART, Values, helm, kinds, named, refusal, template

BAD: dict[str, tuple[Values, str]] = {
    "misspelt": ({"replicaCount": 3}, "at '': additional properties 'replicaCount' not allowed"),
    "misspelt below": ({"image": {"tga": "1"}}, "at '/image': additional properties 'tga' not allowed"),
    "text for a number": ({"replicas": "two"}, "at '/replicas': got string, want integer"),
    "too many": ({"replicas": 50}, "at '/replicas': maximum: got 50, want 5"),
    "no scope": ({"scope": "All"}, "at '/scope': value must be one of 'Cluster', 'Namespace'"),
    "no URL": ({"prometheus": {"url": "prom:9090"}}, "at '/prometheus/url': 'prom:9090' does not match pattern"),
    "no flag": ({"extraArgs": ["verbose"]}, "at '/extraArgs/0': 'verbose' does not match pattern '^--'"),
    "short digest": ({"image": {"digest": "sha256:1"}}, "at '/image/digest': 'sha256:1' does not match pattern"),
    "tag in the repository": ({"image": {"repository": "a/b:1"}}, "at '/image/repository': 'a/b:1' does not match"),
    "moving tag": ({"image": {"tag": "latest"}}, "image.tag must not be latest, which says nothing of the version"),
    "unit forgotten": (
        {"monitoring": {"serviceMonitor": {"interval": "15"}}},
        "at '/monitoring/serviceMonitor/interval': '15' does not match pattern",
    ),
    "no port": (
        {"networkPolicy": {"prometheus": {"port": 0}}},
        "at '/networkPolicy/prometheus/port': minimum: got 0, want 1",
    ),
    "everybody": ({"networkPolicy": {"metricsFrom": []}}, "at '/networkPolicy/metricsFrom': minItems: got 0, want 1"),
    "everybody by null": (
        {"networkPolicy": {"enabled": True, "metricsFrom": None}},
        "networkPolicy.metricsFrom must name somebody: without peers everybody could read the metrics",
    ),
    "no quantity": (
        {"resources": {"limits": {"memory": "384 MB"}}},
        "at '/resources/limits/memory': '384 MB' does not match pattern",
    ),
    "no address of a collector": (
        {"tracing": {"endpoint": "collector:4317"}},
        "at '/tracing/endpoint': 'collector:4317' does not match pattern",
    ),
    "variable without name": ({"extraEnv": [{"value": "1"}]}, "at '/extraEnv/0': missing property 'name'"),
    "nobody's account": (
        {"serviceAccount": {"create": False}},
        "serviceAccount.name is needed where serviceAccount.create is false",
    ),
    "scraped twice": (
        {"monitoring": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
        "monitoring.serviceMonitor and monitoring.podMonitor would scrape every pod twice: enable one of them",
    ),
}


def container(values: Values) -> dict[str, Any]:
    only: dict[str, Any] = named(template(values), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return only


def pod(values: Values) -> dict[str, Any]:
    spec: dict[str, Any] = named(template(values), "Deployment")["spec"]["template"]["spec"]
    return spec


def test_chart_lints() -> None:
    done = helm("lint", CHART, "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", BAD)
def test_bad_value_is_refused_by_name(name: str) -> None:
    values, sentence = BAD[name]
    assert sentence in refusal(values)


def test_every_object_of_values_is_closed() -> None:
    """All but maps of names to texts, and Kubernetes' own types, which the API server knows better."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    given = yaml.safe_load((CHART / "values.yaml").read_text())

    def look(part: dict[str, Any], value: dict[str, Any], path: str) -> None:
        assert part["additionalProperties"] is False, path
        assert set(value) <= set(part["properties"]), path
        for key, child in value.items():
            below = part["properties"][key]
            if isinstance(child, dict) and "properties" in below:
                look(below, child, f"{path}/{key}")

    look(schema, given, "")
    assert set(schema["properties"]) - set(given) == {"global"}


def test_image_is_the_charts_version_or_a_tag_or_a_digest() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    repository = "registry.example:5000/ml/operator"
    assert container({"image": {"repository": repository}})["image"] == f"{repository}:{version}"
    assert container({"image": {"repository": repository, "tag": "1.2"}})["image"] == f"{repository}:1.2"
    digest = f"sha256:{'ab' * 32}"
    assert container({"image": {"tag": "1.2", "digest": digest}})["image"] == f"modelrollout/operator@{digest}"


def test_the_observer_s_image_is_named_by_flag_with_the_operator_s_tag() -> None:
    from modelrollout.runtime.settings import parse

    def observer(**values: object) -> str:
        return parse(container(dict(values))["args"], environ={}).observer_image

    digest = f"sha256:{'ab' * 32}"
    assert observer(image={"tag": "1.2"}) == "modelrollout/observer:1.2"
    assert observer(image={"tag": "1.2"}, observer={"image": {"tag": "1.3"}}) == "modelrollout/observer:1.3"
    assert observer(observer={"image": {"repository": "a/b", "digest": digest}}) == f"a/b@{digest}"


def test_operator_takes_the_flags_that_it_is_given() -> None:
    """The process itself parses them: a flag that it does not know would end it."""
    from modelrollout.runtime.settings import parse

    args = container({"scope": "Namespace", "workers": 3, "verbose": True, "extraArgs": ["--port=8082"]})["args"]
    chosen = parse([arg.replace("$(POD_NAMESPACE)", "payments") for arg in args], environ={})

    assert (chosen.namespace, chosen.workers, chosen.verbose, chosen.port) == ("payments", 3, True, 8082)
    assert parse(container({})["args"], environ={}).namespace is None
    asking = container({"alerts": {"alertmanager": "http://a:9093"}})["args"]
    assert parse(asking, environ={}).alertmanager_url == "http://a:9093"
    assert parse(container({"prometheus": {"url": "http://p:1"}})["args"], environ={}).prometheus_url == "http://p:1"


def test_the_registry() -> None:
    from modelrollout.runtime.settings import parse

    values = {"registry": {"mlflow": "http://m:5000", "secret": "mlflow", "pollSeconds": 60, "cluster": "eu-1"}}
    made = container(values)
    chosen = parse(made["args"], environ={})

    assert (chosen.mlflow_url, chosen.registry_poll_seconds, chosen.writing.cluster) == ("http://m:5000", 60, "eu-1")
    assert made["envFrom"] == [{"secretRef": {"name": "mlflow", "optional": True}}]
    assert "envFrom" not in container({})


def test_the_collector() -> None:
    """The process itself reads the variable, and others beside it."""
    from modelrollout.runtime.settings import parse

    def environ(values: Values) -> dict[str, str]:
        made = container(values)
        read = {one["name"]: one["value"] for one in made["env"] if "value" in one}
        assert parse(made["args"], environ=read).traces is ("OTEL_EXPORTER_OTLP_ENDPOINT" in read)
        return read

    extra = [{"name": "OTEL_TRACES_SAMPLER", "value": "traceidratio"}]
    assert environ({"tracing": {"endpoint": "http://c:4318"}, "extraEnv": extra}) == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318",
        "OTEL_TRACES_SAMPLER": "traceidratio",
    }
    assert environ({}) == {}


def test_what_else_is_asked_for_is_in_the_pod() -> None:
    values = {
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
        "resources": {"limits": {"memory": "1Gi"}},
        "podAnnotations": {"example.com/note": "1"},
        "podLabels": {"team": "ml"},
        "affinity": {"nodeAffinity": {}},
    }
    spec = pod(values)
    assert {key: spec[key] for key in ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations")} == {
        key: values[key] for key in ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations")
    }
    assert spec["affinity"] == values["affinity"]
    assert spec["volumes"][1:] == values["extraVolumes"]
    (only,) = spec["containers"]
    assert only["volumeMounts"][1:] == values["extraVolumeMounts"]
    assert only["env"][-1:] == values["extraEnv"]
    assert only["resources"]["limits"] == {"memory": "1Gi"}
    metadata = named(template(values), "Deployment")["spec"]["template"]["metadata"]
    assert metadata["annotations"]["example.com/note"] == "1"
    assert metadata["labels"]["team"] == "ml"


def test_a_namespaces_administrator_installs_it_without_any_object_of_the_cluster() -> None:
    values = {
        "scope": "Namespace",
        "crds": {"enabled": False},
        "rbac": {"people": False},
        "admission": {"enabled": False},
    }
    rendered = template(values)
    assert not kinds(rendered) & CLUSTER_WIDE
    assert {one["metadata"]["namespace"] for one in rendered} == {"modelrollout"}
    assert named(rendered, "Role")["rules"]


def test_releases_of_other_names_do_not_meet() -> None:
    rendered = template(release="lab")
    assert named(rendered, "Deployment", "lab-modelrollout")
    assert named(rendered, "ClusterRole", "lab-modelrollout")
    binding = named(rendered, "ClusterRoleBinding", "lab-modelrollout")
    assert binding["roleRef"]["name"] == "lab-modelrollout"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "lab-modelrollout", "namespace": "modelrollout"}]
    (condition,) = named(rendered, "ValidatingAdmissionPolicy", "modelrollout-confinement")["spec"]["matchConditions"]
    assert "endsWith(':lab-modelrollout')" in condition["expression"]
    selectors = {
        str(named(rendered, kind, "lab-modelrollout")["spec"]["selector"]) for kind in ("Deployment", "Service")
    }
    assert selectors == {"{'matchLabels': {'app': 'lab-modelrollout'}}", "{'app': 'lab-modelrollout'}"}


def test_alertmanager_mlflow_and_a_collector_are_reachable_if_they_are_asked() -> None:
    def ports(values: Values) -> set[int]:
        chosen = {"networkPolicy": {"enabled": True}, **values}
        rules = named(template(chosen), "NetworkPolicy")["spec"]["egress"]
        return {port["port"] for rule in rules for port in rule.get("ports", [])}

    assert ports({}) == {53, 443, 6443, 9090}
    assert ports({"alerts": {"alertmanager": "http://alertmanager.monitoring:9093"}}) == {53, 443, 6443, 9090, 9093}
    assert ports({"registry": {"mlflow": "http://mlflow.mlflow:5000"}}) == {53, 443, 6443, 9090, 5000}
    assert ports({"tracing": {"endpoint": "http://collector.observability:4318"}}) == {53, 443, 6443, 9090, 4318}


def test_one_replica_has_no_budget_that_would_keep_its_node_from_being_drained() -> None:
    assert "PodDisruptionBudget" not in kinds(template({"replicas": 1}))


def test_pods_are_scraped_by_one_of_three_ways() -> None:
    by_pod = named(
        template({"monitoring": {"podMonitor": {"enabled": True, "labels": {"release": "p"}}}}), "PodMonitor"
    )
    assert by_pod["spec"]["selector"] == {"matchLabels": {"app": "modelrollout"}}
    assert by_pod["spec"]["podMetricsEndpoints"][0]["honorLabels"] is True
    assert by_pod["metadata"]["labels"]["release"] == "p"
    plain = named(template({"monitoring": {"scrapeAnnotations": False}}), "Deployment")
    assert "annotations" not in plain["spec"]["template"]["metadata"]


def test_an_observer_s_pod_is_the_one_that_is_scraped() -> None:
    wanted = ApplyObserver(settings="{}", digest="d1", image="observer:7", revisions=("aaa",), ports=(8080,))
    pod = observer_workload(Owner(namespace="payments", name="fraud", uid="5a3c"), wanted)["spec"]["template"]
    monitoring = {"observers": {"enabled": True, "interval": "10s", "labels": {"release": "p"}}}
    monitor = named(template({"monitoring": monitoring}), "PodMonitor", "modelrollout-observers")

    selector = monitor["spec"]["selector"]
    assert selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert {one["key"] for one in selector["matchExpressions"]} <= pod["metadata"]["labels"].keys()
    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert str(ports[endpoint["port"]]) == pod["metadata"]["annotations"]["prometheus.io/port"]
    assert endpoint["interval"] == "10s"
    assert monitor["metadata"]["labels"]["release"] == "p"


def test_rules_about_data_are_asked_for_by_themselves() -> None:
    of_data = template({"monitoring": {"dataRules": {"enabled": True, "labels": {"release": "p"}}}}, release="lab")
    (rule,) = [one for one in of_data if one["kind"] == "PrometheusRule"]
    assert rule["metadata"]["name"] == "lab-modelrollout-data"
    assert rule["metadata"]["labels"]["release"] == "p"
    of_operator = template({"monitoring": {"prometheusRule": {"enabled": True}}})
    assert [one["metadata"]["name"] for one in of_operator if one["kind"] == "PrometheusRule"] == ["modelrollout"]
    assert not {"PrometheusRule", "PodMonitor", "ServiceMonitor"} & kinds(template())


def test_every_dashboard_of_the_folder_becomes_a_config_map(tmp_path: Path) -> None:
    chart = tmp_path / "modelrollout"
    shutil.copytree(CHART, chart)
    folder = chart / "files" / "dashboards"
    folder.mkdir(exist_ok=True)
    (folder / "rollouts.json").write_text('{"title": "{{ rollouts }}"}\n')

    rendered = template({"monitoring": {"dashboards": {"enabled": True, "labels": {"grafana": "yes"}}}}, chart=chart)
    made = named(rendered, "ConfigMap", "modelrollout-dashboard-rollouts")
    assert made["data"] == {"rollouts.json": '{"title": "{{ rollouts }}"}\n'}
    assert made["metadata"]["labels"]["grafana"] == "yes"
    assert "ConfigMap" not in kinds(template(chart=chart))
