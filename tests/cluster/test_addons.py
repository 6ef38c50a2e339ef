"""What is installed around a rollout, in the order in which an empty cluster can take it."""

from collections.abc import Iterator
from typing import Any

import yaml

from cluster import addons


def test_every_file_is_applied() -> None:
    assert sorted(addons.FILES) == sorted(path.name for path in addons.MANIFESTS.glob("*.yaml"))


def test_prometheus_reads_the_rules_that_its_operator_would_be_told() -> None:
    settings = next(one for one in documents() if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", "prometheus"))
    hurried = yaml.safe_load(settings["data"]["data.yml"])
    spec = yaml.safe_load(addons.DATA_RULES.read_text())["spec"]
    names = [[rule.get("alert") or rule["record"] for rule in one["groups"][0]["rules"]] for one in (hurried, spec)]
    assert names[0] == names[1]
    assert "[1h]" not in settings["data"]["data.yml"]


def test_nothing_comes_before_its_namespace() -> None:
    there = {"kube-system"}
    for document in documents():
        metadata = document["metadata"]
        if document["kind"] == "Namespace":
            there.add(metadata["name"])
        assert metadata.get("namespace") in {None, *there}, metadata
    assert {"gateways", "monitoring"} <= there


def documents() -> Iterator[dict[str, Any]]:
    images = addons.Images(contour="contour", envoy="envoy", prometheus="prometheus", alertmanager="alertmanager")
    yield from yaml.safe_load_all(addons.manifests(images))
