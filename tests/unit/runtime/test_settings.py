"""Flags first, then the environment that a manifest sets, then defaults."""

import os
from pathlib import Path

import pytest

from modelrollout.plan.observation import Writing
from modelrollout.runtime.settings import Settings, parse


def test_with_nothing_said_it_watches_all_namespaces() -> None:
    assert parse([], environ={"POD_NAME": "operator-0"}) == Settings(
        prometheus_url="http://prometheus.monitoring:9090",
        namespace=None,
        lease_namespace="modelrollout",
        lease_name="modelrollout",
        identity="operator-0",
        observer_image="modelrollout/observer:dev",
        port=8080,
        alertmanager_url=None,
        alerts_token_file=None,
        alerts_port=8081,
        account="system:serviceaccount:modelrollout:modelrollout",
        workers=8,
        verbose=False,
    )


def test_the_environment_is_the_default_of_the_flags() -> None:
    settings = parse([], environ={"PROMETHEUS_URL": "http://p:1", "POD_NAMESPACE": "ml", "POD_NAME": "operator-1"})
    assert (settings.prometheus_url, settings.lease_namespace, settings.identity) == ("http://p:1", "ml", "operator-1")


def test_the_observer_s_image_is_chosen_by_flag_or_environment() -> None:
    assert parse([], environ={"OBSERVER_IMAGE": "mirror.example/observer:7"}).observer_image.endswith(":7")
    assert parse(["--observer-image", "own:1"], environ={"OBSERVER_IMAGE": "other:2"}).observer_image == "own:1"


def test_a_flag_wins_over_the_environment() -> None:
    given = ["--prometheus", "http://q:2", "--lease-namespace", "own", "--identity", "me"]
    settings = parse(given, environ={"PROMETHEUS_URL": "http://p:1", "POD_NAMESPACE": "ml", "POD_NAME": "operator-1"})
    assert (settings.prometheus_url, settings.lease_namespace, settings.identity) == ("http://q:2", "own", "me")


def test_outside_a_cluster_two_processes_of_one_machine_have_two_identities() -> None:
    assert parse([], environ={}).identity == f"{os.uname().nodename}-{os.getpid()}"
    assert parse([], environ={"POD_NAME": ""}).identity.endswith(str(os.getpid())), "an empty name is none"


def test_all_flags() -> None:
    given = ["--namespace", "payments", "--lease-name", "shard-1", "--port", "0", "--workers", "2", "--verbose"]
    settings = parse(given, environ={})
    assert (settings.namespace, settings.lease_name) == ("payments", "shard-1")
    assert (settings.port, settings.workers, settings.verbose) == (0, 2, True)


def test_alerts_are_listened_for_where_a_token_is() -> None:
    given = ["--alerts-token-file", "/etc/token", "--alerts-port", "9000", "--alertmanager", "http://a:9093"]
    settings = parse(given, environ={"POD_NAMESPACE": "ml", "POD_SERVICE_ACCOUNT": "operator"})
    assert (settings.alerts_token_file, settings.alerts_port) == (Path("/etc/token"), 9000)
    assert (settings.alertmanager_url, settings.account) == ("http://a:9093", "system:serviceaccount:ml:operator")


def test_the_registry() -> None:
    given = ["--mlflow", "http://m:5000", "--mlflow-token-file", "/run/token", "--registry-poll", "60"]
    given += ["--champion-alias", "prod", "--previous-alias", "", "--cluster-name", "eu-1"]
    settings = parse(given, environ={})
    assert (settings.mlflow_url, settings.mlflow_token_file) == ("http://m:5000", Path("/run/token"))
    assert settings.registry_poll_seconds == 60
    assert settings.writing == Writing(champion="prod", previous="", cluster="eu-1")


def test_the_registry_of_the_environment() -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://m:5000", "REGISTRY_POLL_SECONDS": "5", "CLUSTER_NAME": "eu-1"}
    settings = parse([], environ=environ)
    assert (settings.mlflow_url, settings.registry_poll_seconds) == ("http://m:5000", 5)
    assert settings.writing.cluster == "eu-1"
    assert parse([], environ={"MLFLOW_TRACKING_URI": ""}).mlflow_url is None


@pytest.mark.parametrize(
    "given",
    [
        ["--port", "http"],
        ["--registry-poll", "0"],
        ["--registry-poll", "often"],
        ["--workers", "many"],
        ["--namespaces", "a"],
        ["payments"],
    ],
)
def test_what_cannot_be_meant_ends_with_a_usage_line(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(given, environ={})
    assert ended.value.code == 2
    assert "usage: modelrollout" in capsys.readouterr().err
