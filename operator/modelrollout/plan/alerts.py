"""Whether an alert that fires takes a version back, and which one, or has a person asked. Pure: labels and times in, a
version or a reason out.

Whom an alert is about is told by its labels alone, and by nothing that would have to be asked:

| labels | about |
|---|---|
| another namespace, or another `modeldeployment` | neither |
| a pod, Service, Deployment or revision of the candidate | the candidate |
| the same of the live version | the live version |
| the same of a revision that is neither of them | neither |
| of both, of none, or no `namespace` at all | both |

An alert that is about both, or has a sister of its name that is about the live version, is shared: it says that the
service is ill, not that the new version made it so.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

import re2

from modelrollout.api.alerts import AlertPolicy, FiredAlert, SharedAlert, bounded, quiet
from modelrollout.api.base import seconds
from modelrollout.api.modeldeployment import ModelDeploymentStatus, StageName
from modelrollout.api.revision import DIGEST_IN_NAMES, short

ROLLING = (StageName.EVALUATE, StageName.SHADOW, StageName.REVIEW, StageName.CANARY, StageName.SOAK)

# Prometheus calls a label of a target `exported_…` where it has set one of the same name itself. A gateway calls a
# Service NAMESPACE_SERVICE_PORT, and its own label namespace says where the gateway is.
_NAMESPACES = ("namespace", "exported_namespace")
_DEPLOYMENTS = ("modeldeployment", "modelrollout_dev_name", "label_modelrollout_dev_name")
_REVISIONS = ("revision", "modelrollout_dev_revision", "label_modelrollout_dev_revision")
_CHILDREN = ("pod", "exported_pod", "service", "exported_service", "deployment", "exported_deployment", "replicaset")
_ENVOY_CLUSTER = "envoy_cluster_name"

_DIGEST = f"[0-9a-f]{{{DIGEST_IN_NAMES}}}"


@dataclass(frozen=True)
class Selector:
    """What a policy asks of labels: pairs of a label and its value, or the expression that its value must match."""

    equal: tuple[tuple[str, str], ...] = ()
    matching: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, policy: AlertPolicy) -> "Selector":
        return cls(tuple(sorted(policy.match.items())), tuple(sorted(policy.match_regex.items())))

    @cached_property
    def _expressions(self) -> list[tuple[str, "re2._Regexp[str]"]]:
        return [(label, re2.compile(pattern, quiet())) for label, pattern in self.matching]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(label, "") == value for label, value in self.equal) and all(
            expression.fullmatch(labels.get(label, "")) is not None for label, expression in self._expressions
        )


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires, and since when."""

    labels: Mapping[str, str]
    starts_at: datetime

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A ModelDeployment, as far as alerts are concerned."""

    namespace: str
    name: str
    policies: tuple[AlertPolicy, ...]
    status: ModelDeploymentStatus

    @cached_property
    def selectors(self) -> tuple[tuple[AlertPolicy, Selector], ...]:
        return tuple((policy, Selector.of(policy)) for policy in self.policies)

    @property
    def rolling(self) -> bool:
        return self.status.candidate is not None and self.status.stage in ROLLING

    @property
    def until(self) -> datetime | None:
        """When the last window ends in which the live version is still taken back; None where there is none."""
        promotion = self.status.promotion
        windows = [seconds(policy.window) for policy in self.policies if policy.window is not None]
        if promotion is None or not windows or self.status.stage is not StageName.LIVE:
            return None
        return promotion.at + timedelta(seconds=max(windows))

    def listens(self, now: datetime) -> bool:
        """Whether there is an alert, of whatever labels, that would do something now."""
        return bool(self.policies) and (self.rolling or (self.until is not None and now < self.until))


class About(StrEnum):
    CANDIDATE = "Candidate"
    LIVE = "Live"
    BOTH = "Both"
    NEITHER = "Neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An alert that takes `revision` back, which is the candidate or the live version.

    `review`: it takes nothing back, and a person is to be asked about the candidate instead.
    """

    alert: Firing
    policy: AlertPolicy
    revision: str
    review: bool = False

    @property
    def record(self) -> FiredAlert:
        return FiredAlert(
            policy=self.policy.name,
            name=self.alert.name[:200],
            labels=bounded(self.alert.labels),
            starts_at=self.alert.starts_at,
        )


def about(labels: Mapping[str, str], watched: Watched) -> About:
    """Whose alert it is, by its labels."""
    deployments = {labels[label] for label in _DEPLOYMENTS if labels.get(label)}
    if deployments and watched.name not in deployments:
        return About.NEITHER
    namespaces = places(labels)
    if not namespaces:
        return About.BOTH  # a name is a name in its namespace only
    if watched.namespace not in namespaces:
        return About.NEITHER
    return _of_revisions(set(_revisions(labels, watched)), watched)


def places(labels: Mapping[str, str]) -> frozenset[str]:
    """The namespaces that the labels name, as ours could be one of them; none where they say nothing of it."""
    named = {labels[label] for label in _NAMESPACES if labels.get(label)}
    return frozenset(named | {labels[_ENVOY_CLUSTER].split("_")[0]} if labels.get(_ENVOY_CLUSTER) else named)


def _of_revisions(found: set[str], watched: Watched) -> About:
    candidate, live = watched.status.candidate in found, watched.status.stable in found
    match candidate, live:
        case True, False:
            return About.CANDIDATE
        case False, True:
            return About.LIVE
        case False, False if found:
            return About.NEITHER
        case _:
            return About.BOTH


def _revisions(labels: Mapping[str, str], watched: Watched) -> Iterable[str]:
    """The revisions of this ModelDeployment that the labels name."""
    yield from (labels[label] for label in _REVISIONS if re.fullmatch(_DIGEST, labels.get(label, "")))
    cluster = labels.get(_ENVOY_CLUSTER, "").removeprefix(f"{watched.namespace}_")
    for name in (*(labels.get(label, "") for label in _CHILDREN), cluster.split("_")[0]):
        rest = name.removeprefix(f"{watched.name}-")
        if rest != name and re.match(rf"{_DIGEST}(-|$)", rest):
            yield rest[:DIGEST_IN_NAMES]


def names_of_live(alerts: Iterable[Firing], watched: Watched) -> frozenset[str]:
    """Names of the alerts that fire for the live version."""
    return frozenset(alert.name for alert in alerts if about(alert.labels, watched) is About.LIVE)


def complaint(alert: Firing, watched: Watched, *, now: datetime, of_live: Collection[str] = ()) -> Complaint | str:
    """Which version it takes back, or why none; `of_live` are the names of alerts that the live version has as well.

    Where one entry takes it back and another one asks a person, there is nothing to ask.
    """
    policies = [policy for policy, selector in watched.selectors if selector.matches(alert.labels)]
    if not policies:
        return "no entry of rollout.alerts names it"
    whose = about(alert.labels, watched)
    if whose is About.NEITHER:
        return "its labels name neither the candidate nor the live version"
    answers = [_by(policy, alert, whose, watched, now=now, of_live=of_live) for policy in policies]
    complaints = sorted((answer for answer in answers if isinstance(answer, Complaint)), key=lambda one: one.review)
    return complaints[0] if complaints else answers[0]


def _by(
    policy: AlertPolicy, alert: Firing, whose: About, watched: Watched, *, now: datetime, of_live: Collection[str]
) -> Complaint | str:
    status, shared_with_live = watched.status, policy.shared_with_live
    ignores = shared_with_live is SharedAlert.IGNORE
    if whose is About.BOTH and ignores:
        return f"its labels do not say which version it is about, and entry {policy.name} ignores what is shared"
    if watched.rolling and status.candidate is not None:
        if whose is About.LIVE:
            return "it is about the live version, and another one is being rolled out"
        if alert.name in of_live and ignores:
            return f"the live version has it as well, and entry {policy.name} ignores what is shared"
        shared = whose is About.BOTH or alert.name in of_live
        review = shared and shared_with_live is SharedAlert.REVIEW
        answered = _answered(policy, status) if review else None
        return answered or _since(status.rollout_started_at, policy, alert, status.candidate, review=review)
    if whose is About.BOTH and shared_with_live is SharedAlert.REVIEW:
        return f"no rollout is under way, and what is shared asks for a review of one by entry {policy.name}"
    promotion = status.promotion
    if promotion is None or status.stable is None or status.stage is not StageName.LIVE:
        return "no rollout is under way that it could take back"
    if policy.window is None or now >= promotion.at + timedelta(seconds=seconds(policy.window)):
        return f"the live version was promoted at {promotion.at:%H:%M:%S}, and the window of {policy.name} is over"
    return _since(promotion.rollout_started_at, policy, alert, status.stable)


def _answered(policy: AlertPolicy, status: ModelDeploymentStatus) -> str | None:
    """Why nobody is to be asked: an entry asks once in a rollout."""
    if policy.name in settled(status):
        return f"a person has accepted what is shared and entry {policy.name} names"
    if any(asked.policy == policy.name for asked in status.reviews):
        return f"a person is asked already about an alert that entry {policy.name} names"
    return None


def settled(status: ModelDeploymentStatus) -> tuple[str, ...]:
    """Entries whose shared alerts a person has accepted for this candidate."""
    approval = status.approval
    return approval.alerts if approval is not None and short(approval.digest) == status.candidate else ()


def _since(
    began: datetime | None, policy: AlertPolicy, alert: Firing, revision: str, *, review: bool = False
) -> Complaint | str:
    if began is not None and alert.starts_at < began:
        return f"it fires since {alert.starts_at:%H:%M:%S}, and the rollout began after that, at {began:%H:%M:%S}"
    return Complaint(alert=alert, policy=policy, revision=revision, review=review)
