"""The CustomResourceDefinitions, which are generated from the types; `make crds` writes them to crds/."""

from dataclasses import dataclass
from typing import Any

import yaml

from modelrollout.api.base import ApiObject
from modelrollout.api.gatetemplate import ClusterGateTemplate, GateTemplate
from modelrollout.api.group import (
    CLUSTER_GATE_TEMPLATE,
    GATE_TEMPLATE,
    GROUP,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    ROLLOUT_ACTION,
    VERSION,
)
from modelrollout.api.modeldeployment import ModelDeployment
from modelrollout.api.modelrevision import ModelRevision
from modelrollout.api.rolloutaction import RolloutAction
from modelrollout.api.rules import extended
from modelrollout.api.schema import structural, without_defaults

CATEGORY = "modelrollout"
HEADER = "# Generated from the types in operator/modelrollout/api by `make crds`. Do not edit.\n"
_AGE = ".metadata.creationTimestamp"


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; priority 1 is shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0

    def to_dict(self) -> dict[str, Any]:
        shown = {"name": self.name, "type": self.type, "description": self.description, "jsonPath": self.path}
        return {**shown, "priority": self.priority} if self.priority else shown


@dataclass(frozen=True)
class Resource:
    """One kind as the API server is told of it."""

    kind: str
    plural: str
    short: str
    type: type[ApiObject]
    columns: tuple[Column, ...]
    scope: str = "Namespaced"
    awaited: bool = False
    """Whether one that the operator has not looked at yet must not pass for ready. kstatus takes an object without a
    status for that; so it has one from the beginning, of a generation before the first.
    """

    @property
    def _has_status(self) -> bool:
        return "status" in self.type.model_fields

    @property
    def file_name(self) -> str:
        return f"{self.plural}.yaml"

    def definition(self) -> dict[str, Any]:
        names = {
            "kind": self.kind,
            "listKind": f"{self.kind}List",
            "plural": self.plural,
            "singular": self.kind.lower(),
            "shortNames": [self.short],
            "categories": [CATEGORY],
        }
        version = {
            "name": VERSION,
            "served": True,
            "storage": True,
            **({"subresources": {"status": {}}} if self._has_status else {}),
            "additionalPrinterColumns": [column.to_dict() for column in self.columns],
            "schema": {"openAPIV3Schema": self.schema()},
        }
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}"},
            "spec": {"group": GROUP, "names": names, "scope": self.scope, "versions": [version]},
        }

    def schema(self) -> dict[str, Any]:
        schema = structural(self.type)
        parts = schema.pop("properties")
        properties = {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": parts["spec"],
            **({"status": self._status(parts["status"])} if self._has_status else {}),
        }
        return {**extended(schema, self.type.name_rules), "properties": properties}

    def _status(self, schema: dict[str, Any]) -> dict[str, Any]:
        default = {"default": {"observedGeneration": 0}} if self.awaited else {}
        return {**without_defaults(schema), **default}


RESOURCES = (
    Resource(
        kind=MODEL_DEPLOYMENT,
        plural="modeldeployments",
        short="mdep",
        type=ModelDeployment,
        awaited=True,
        columns=(
            Column("Stage", ".status.stage", "Where the deployment is; Live when no rollout is under way."),
            Column("Weight", ".status.weight", "Share of the candidate in percent.", type="integer"),
            Column("Live", ".status.stableVersion", "Model version that serves users."),
            Column("Candidate", ".status.candidateVersion", "Model version that is being rolled out."),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether what was asked for is live."),
            Column(
                "Verdict", ".status.expectedVerdictAt", "When the comparison ends well, as things go on.", priority=1
            ),
            Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not.", priority=1),
            Column("Age", _AGE, "Time since it was made.", type="date"),
        ),
    ),
    Resource(
        kind=MODEL_REVISION,
        plural="modelrevisions",
        short="mrev",
        type=ModelRevision,
        columns=(
            Column("Deployment", ".spec.deployment", "The ModelDeployment that it belongs to."),
            Column("Version", ".spec.model.version", "Model version."),
            Column("State", ".status.state", "State in the revision's life."),
            Column("Live", ".status.liveAt", "Time since it went live.", type="date"),
            Column("For", ".status.liveFor", "How long it was live."),
            Column("Ended", ".status.ended", "Why its part ended."),
            Column("Age", _AGE, "Time since it was made.", type="date"),
            Column("Changelog", ".spec.model.changelog", "The person's own words.", priority=1),
        ),
    ),
    Resource(
        kind=ROLLOUT_ACTION,
        plural="rolloutactions",
        short="mact",
        type=RolloutAction,
        columns=(
            Column("Deployment", ".spec.deployment", "The ModelDeployment that it is about."),
            Column("Action", ".spec.action", "What is asked for."),
            Column("By", ".spec.requestedBy", "Who asks."),
            Column("Outcome", ".status.outcome", "What came of it; empty while it waits."),
            Column("Reason", ".spec.reason", "Why it is asked for.", priority=1),
            Column("Message", ".status.message", "What was done, or why it was not.", priority=1),
            Column("Age", _AGE, "Time since it was made.", type="date"),
        ),
    ),
    *(
        Resource(
            kind=kind,
            plural=f"{kind.lower()}s",
            short=short,
            type=type_,
            scope=scope,
            columns=(
                Column("Signal", ".spec.signal", "What the gate looks at."),
                Column("Description", ".spec.description", "What the gate is for."),
                Column("Age", _AGE, "Time since it was made.", type="date"),
            ),
        )
        for kind, short, type_, scope in (
            (GATE_TEMPLATE, "mgt", GateTemplate, "Namespaced"),
            (CLUSTER_GATE_TEMPLATE, "mcgt", ClusterGateTemplate, "Cluster"),
        )
    ),
)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: two equal columns or texts are two, also to a reader."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def rendered() -> dict[str, str]:
    """The text of each file, by its name."""
    return {
        resource.file_name: HEADER
        + yaml.dump(resource.definition(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
        for resource in RESOURCES
    }
