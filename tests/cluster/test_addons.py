"""What is installed around a rollout, in the order in which an empty cluster can take it."""

import yaml

from cluster import addons


def test_every_file_is_applied() -> None:
    assert sorted(addons.FILES) == sorted(path.name for path in addons.MANIFESTS.glob("*.yaml"))


def test_nothing_comes_before_its_namespace() -> None:
    there = {"kube-system"}
    images = addons.Images(contour="contour", envoy="envoy", prometheus="prometheus", alertmanager="alertmanager")
    for document in yaml.safe_load_all(addons.manifests(images)):
        metadata = document["metadata"]
        if document["kind"] == "Namespace":
            there.add(metadata["name"])
        assert metadata.get("namespace") in {None, *there}, metadata
    assert {"gateways", "monitoring"} <= there
