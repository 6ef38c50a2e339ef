"""Alerts that take a version back, or have a person asked: which ones, as a policy names them by their labels, and one
that did.

Matching is Alertmanager's: a label that is absent is an empty one, and a regular expression is RE2's and matches the
whole value. RE2 also because it needs no more time for a bad expression than for a good one: whoever writes a policy
must not be able to hold up everybody's rollouts.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import re2
from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType, Duration
from modelrollout.api.route import DnsLabel
from modelrollout.api.rules import Rule, rule

MAX_ALERT_POLICIES = 8
MAX_MATCHERS = 10
MAX_LABELS = 64
MAX_VALUE_LENGTH = 200
MAX_LABEL_LENGTH = 100

_LABEL = rf"^[a-zA-Z_][a-zA-Z0-9_]{{0,{MAX_LABEL_LENGTH - 1}}}$"

LabelValue = Annotated[str, StringConstraints(max_length=MAX_VALUE_LENGTH)]

_Matchers = Annotated[
    dict[str, LabelValue],
    Field(max_length=MAX_MATCHERS),
    Rule(
        cel=f"self.all(label, label.matches(r'{_LABEL}'))",
        message="alerts: a label is letters, digits and underscores, and does not begin with a digit; correct its name",
        holds=lambda matchers: all(re.fullmatch(_LABEL, label) for label in matchers),
    ),
]
_Expressions = Annotated[
    _Matchers,
    Rule(
        # What is no expression is an error to CEL, and an error refuses as well as a false does.
        cel="self.all(label, ''.matches(self[label]) ? true : true)",
        message="alerts: matchRegex holds regular expressions as RE2 reads them; correct this one",
        holds=lambda matchers: all(is_expression(pattern) for pattern in matchers.values()),
    ),
]


def is_expression(pattern: str) -> bool:
    try:
        re2.compile(pattern, quiet())
    except re2.error:
        return False
    return True


def quiet() -> re2.Options:
    """A bad expression is told to who wrote it, and not to the operator's log as well."""
    options = re2.Options()
    options.log_errors = False
    return options


class SharedAlert(StrEnum):
    """What an alert does that is not about the new version alone."""

    IGNORE = "Ignore"
    REVIEW = "Review"
    ROLL_BACK = "RollBack"


class AlertPolicy(ApiType):
    """Alerts with these labels take the new version back as soon as one of them fires."""

    name: Annotated[DnsLabel, Field(description="Name of this entry in decisions.")]
    match: Annotated[
        _Matchers,
        Field(
            default_factory=dict,
            description="Labels and their values, such as severity: page. An alert must have all of them.",
        ),
    ]
    match_regex: Annotated[
        _Expressions,
        Field(
            default_factory=dict,
            description="Labels and regular expressions (RE2) that their whole values must match.",
        ),
    ]
    window: Annotated[
        Duration | None,
        Field(
            description="How long after its promotion a version is still taken back by an alert, to the version that "
            "was live before it. Left out, an alert counts until the end of the soak."
        ),
    ] = None
    shared_with_live: Annotated[
        SharedAlert,
        Field(
            description="What comes of an alert that fires for the live version as well, or whose labels do not say "
            "which version it is about: Ignore; Review, which holds a rollout where it is until a person approves or "
            "rejects the candidate; or RollBack."
        ),
    ] = SharedAlert.IGNORE

    @rule(
        "(has(self.match) && self.match.exists(label, self.match[label] != '')) || "
        "(has(self.matchRegex) && self.matchRegex.exists(label, !''.matches('^(?:' + self.matchRegex[label] + ')$')))",
        "alerts: match or matchRegex must ask for at least one label that is not empty, or every alert would count; "
        "add one, such as severity: page",
    )
    def _asks_for_something(self) -> bool:
        return any(self.match.values()) or any(
            is_expression(pattern) and re2.fullmatch(pattern, "", quiet()) is None
            for pattern in self.match_regex.values()
        )


class FiredAlert(ApiType):
    """An alert that took a version back, or asks for it, or that a person is asked about."""

    policy: Annotated[DnsLabel, Field(description="The entry of rollout.alerts that names it.")]
    name: Annotated[LabelValue, Field(description="Its label alertname.")]
    labels: Annotated[
        dict[str, LabelValue], Field(max_length=MAX_LABELS, description="Its labels; overlong ones are left out.")
    ]
    starts_at: Annotated[datetime, Field(description="Since when it fires.")]


def names_differ(policies: tuple[AlertPolicy, ...]) -> bool:
    return len({policy.name for policy in policies}) == len(policies)


def bounded(labels: Mapping[str, str]) -> dict[str, str]:
    """As many of an alert's labels as a record has room for. Those that are too long identify nothing that we know."""
    fitting = [
        (label, value)
        for label, value in sorted(labels.items())
        if len(label) <= MAX_LABEL_LENGTH and len(value) <= MAX_VALUE_LENGTH
    ]
    return dict(fitting[:MAX_LABELS])
