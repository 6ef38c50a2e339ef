"""The chart and the Kustomize manifests are two spellings of one installation."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from modelrollout.runtime.settings import parse
from tests.chart.normal import normal
from tests.chart.rendering import CHART, MANIFESTS, ROOT, Values, kinds, kustomize, named, objects, template

IMAGE = {"image": {"tag": "dev"}}
SECRET = "modelrollout-mlflow"
PLAIN = {"podDisruptionBudget": {"enabled": False}, "topologySpread": {"enabled": False}}
ON = {"enabled": True}
MONITORING = {
    "monitoring": {"serviceMonitor": ON, "prometheusRule": ON, "observers": ON, "dataRules": ON, "dashboards": ON}
}

SPELLINGS: dict[str, tuple[tuple[str, ...], Values]] = {
    "base": ((), PLAIN),
    "the chart's defaults": (("ha",), {}),
    "namespaced": (("namespaced",), {**PLAIN, "scope": "Namespace"}),
    "monitoring": (("monitoring",), {**PLAIN, **MONITORING}),
    "network policy": (("network-policy",), {**PLAIN, "networkPolicy": {"enabled": True}}),
    "mlflow": (("mlflow",), {**PLAIN, "registry": {"mlflow": "http://mlflow.mlops:5000", "secret": SECRET}}),
    "tracing": (("tracing",), {**PLAIN, "tracing": {"endpoint": "http://collector.observability:4318"}}),
    "everything": (
        ("ha", "namespaced", "monitoring", "network-policy"),
        {**MONITORING, "scope": "Namespace", "networkPolicy": {"enabled": True}},
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_both_render_the_same_objects(spelling: str, tmp_path: Path) -> None:
    components, values = SPELLINGS[spelling]
    of_kustomize = normal(kustomize(tmp_path, *components))
    of_helm = normal(template({**IMAGE, **values}))

    assert sorted(of_helm) == sorted(of_kustomize)
    for key, wanted in of_kustomize.items():
        assert of_helm[key] == wanted, key


def test_every_component_is_compared_or_is_of_samples_alone() -> None:
    compared = {name for components, _ in SPELLINGS.values() for name in components}
    assert {path.name for path in (MANIFESTS / "components").iterdir()} == compared | {"samples"}


def test_samples_are_added_and_nothing_is_changed(tmp_path: Path) -> None:
    bare, sampled = normal(kustomize(tmp_path)), normal(kustomize(tmp_path, "samples"))
    assert {key[0] for key in sampled.keys() - bare.keys()} == {"ModelDeployment", "GateTemplate"}
    assert {key: sampled[key] for key in bare} == bare


def test_crds_are_those_of_the_types() -> None:
    rendered = [one for one in template() if one["kind"] == "CustomResourceDefinition"]
    generated = [objects(path.read_text())[0] for path in (ROOT / "crds").glob("*.yaml") if "kustom" not in path.name]
    assert {name: one["spec"] for name, one in normal(rendered).items()} == {
        name: one["spec"] for name, one in normal(generated).items()
    }
    assert {one["metadata"]["annotations"]["helm.sh/resource-policy"] for one in rendered} == {"keep"}


def test_crds_go_with_the_release_if_that_is_wanted_or_do_not_come_with_it() -> None:
    unkept = [one for one in template({"crds": {"keep": False}}) if one["kind"] == "CustomResourceDefinition"]
    assert unkept
    assert all("annotations" not in one["metadata"] for one in unkept)
    assert "CustomResourceDefinition" not in kinds(template({"crds": {"enabled": False}}))


def test_another_namespace_is_one_line_of_a_users_kustomization(tmp_path: Path) -> None:
    """Subjects of bindings follow, and the namespace of the models is left as it is."""
    rendered = kustomize(tmp_path, "ha", "namespaced", extra={"namespace": "payments"})

    of_helm = normal(template({**IMAGE, "scope": "Namespace"}))
    moved = normal(rendered)
    assert {(kind, name) for kind, _, name in moved} == {(kind, name) for kind, _, name in of_helm}
    assert {namespace for _, namespace, _ in moved} == {"", "payments"}
    assert "Namespace" not in kinds(rendered)
    bindings = [one for one in rendered if one["kind"] == "RoleBinding"]
    assert {subject["namespace"] for one in bindings for subject in one["subjects"]} == {"payments"}


def test_the_kustomization_of_the_page_about_installing_is_a_valid_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    (written,) = re.findall(r"```yaml\n(.*?kind: Kustomization.*?)```", page, re.DOTALL)
    (chosen,) = objects(written.replace("REPOSITORY", os.path.relpath(ROOT, tmp_path)))
    components = [Path(path).name for path in chosen.pop("components")]
    (base,) = chosen.pop("resources")
    assert Path(tmp_path, base).resolve() == MANIFESTS / "base"

    rendered = kustomize(tmp_path, *components, extra=chosen)
    (operator,) = named(rendered, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert operator["image"] == "registry.example/operator:0.1.0"
    assert parse(operator["args"], environ={}).observer_image == "registry.example/observer:0.1.0"
    assert set(components) == {path.name for path in (MANIFESTS / "components").iterdir()}


def test_chart_has_no_file_that_is_not_rendered() -> None:
    """A copy that nothing reads would be a promise that nothing keeps."""
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    for path in (CHART / "files").glob("*.yaml"):
        assert f"files/{path.name}" in templates
