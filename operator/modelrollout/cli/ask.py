"""What the verbs share that ask for something: a RolloutAction is made, and its answer waited for.

An action is bound to the revision that the person has in mind: by the time it is heard, the operator may have rolled
back by itself, and a second step back would be one too many. Then it is refused, with how things stand.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelrollout.adapters.kubernetes.errors import ApiError, Forbidden, Invalid
from modelrollout.adapters.kubernetes.resources import ROLLOUT_ACTIONS
from modelrollout.api.group import API_VERSION, ROLLOUT_ACTION
from modelrollout.cli import flags
from modelrollout.cli.cluster import Cluster, JsonObject
from modelrollout.cli.errors import REFUSED, CliError, RefusedError
from modelrollout.cli.objects import Deployment
from modelrollout.cli.rights import Ask, missing_for
from modelrollout.cli.terminal import Colour, Terminal, document

APPLIED = "Applied"
UNANSWERED = 3
_EXIT_CODES = f"""\
The exit code is 0 when it was applied, {REFUSED} when it was refused or had expired, and {UNANSWERED} when there was
no answer in time.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What goes into the action beside its reason. `about` is the digest of the revision that it is bound to."""

    verb: str
    deployment: str
    about: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    expires_in: float | None = None


def parser(verb: str, description: str, *, name_optional: bool = False, epilog: str = "") -> argparse.ArgumentParser:
    made = flags.parser(verb, description, epilog=epilog + _EXIT_CODES, outputs=("json", "yaml"))
    made.add_argument(
        "name",
        nargs="?" if name_optional else None,
        metavar="NAME",
        type=flags.name_of,
        help="a ModelDeployment" + (" (may be left out where there is but one)" if name_optional else ""),
    )
    made.add_argument("-r", "--reason", metavar="TEXT", help="why, for whoever reads the record later; required")
    made.add_argument("--no-wait", dest="wait", action="store_false", help="do not wait for the answer")
    made.add_argument(
        "--timeout", metavar="DURATION", type=flags.seconds_of, default=30.0, help="how long to wait (default 30s)"
    )
    made.add_argument(
        "--expires-in",
        metavar="DURATION",
        type=flags.seconds_of,
        help="of no effect after that long (default: 1h for approve, never for others)",
    )
    return made


def options_of(made: argparse.ArgumentParser, arguments: Any) -> argparse.Namespace:
    """Parsed, with a reason: asked for at a terminal, demanded elsewhere."""
    options = made.parse_args(arguments)
    reason = options.reason
    if reason is None and sys.stdin.isatty():
        print("Why? It is kept with the record: ", end="", file=sys.stderr, flush=True)
        reason = sys.stdin.readline()
    options.reason = " ".join((reason or "").split())
    if not options.reason:
        raise CliError('--reason is required; say why, for whoever reads the record later: --reason "errors are up"')
    return options


def ask(question: Question, cluster: Cluster, options: argparse.Namespace, screen: Terminal) -> int:
    """Makes the action and tells what came of it in one line."""
    made = _create(question, cluster, options)
    name, about = made["metadata"]["name"], f"{question.verb} of {cluster.namespace}/{question.deployment}"
    if not options.wait:
        _tell(made, f"{about} is asked for, as RolloutAction {name}", options, screen)
        return 0
    answered = _answered(cluster, made, seconds=options.timeout)
    if answered is None:
        _tell(
            made,
            f"{about} has no answer after {options.timeout:g} s. It stays asked for, as RolloutAction {name}, and is "
            "heard when the operator is back; is it running? kubectl get pods -n modelrollout",
            options,
            screen,
        )
        return UNANSWERED
    status = answered["status"]
    colour = Colour.GREEN if status["outcome"] == APPLIED else Colour.RED
    _tell(answered, f"{about}: {screen.colour(status['outcome'], colour)}. {_sentence(status)}", options, screen)
    return 0 if status["outcome"] == APPLIED else REFUSED


def looked_at(cluster: Cluster, name: str) -> Deployment | None:
    """None for somebody who may ask and not look: what is asked is heard all the same, bound to nothing."""
    try:
        return cluster.deployment(name)
    except Forbidden:
        return None


def digest_of(cluster: Cluster, name: str, revision: str | None) -> str | None:
    """What an action is bound to; None where there is no such revision, or none that may be looked at."""
    try:
        return cluster.digest(name, revision) if revision else None
    except Forbidden:
        return None


def _create(question: Question, cluster: Cluster, options: argparse.Namespace) -> JsonObject:
    spec = {
        "deployment": question.deployment,
        "action": question.verb.capitalize(),
        "requestedBy": cluster.whoami(),
        "reason": options.reason,
        **question.fields,
    }
    if question.about is not None:
        spec["candidateDigest"] = question.about
    expires_in = options.expires_in or question.expires_in
    if expires_in is not None:
        spec["expiresAt"] = _end(cluster.now(), expires_in)
    body: JsonObject = {
        "apiVersion": API_VERSION,
        "kind": ROLLOUT_ACTION,
        "metadata": {"generateName": f"{question.deployment}-{question.verb}-", "namespace": cluster.namespace},
        "spec": spec,
    }
    asked = Ask(verb=question.verb, namespace=cluster.namespace, deployment=question.deployment)
    try:
        return cluster.api.create(ROLLOUT_ACTIONS, body)
    except Forbidden as error:
        if error.status == 401:
            raise
        raise RefusedError(missing_for(asked, error.message)) from error
    except Invalid as error:
        raise CliError(missing_for(asked, error.message)) from error


def _end(now: datetime, seconds: float) -> str:
    return f"{now + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def _answered(cluster: Cluster, made: JsonObject, *, seconds: float) -> JsonObject | None:
    """The action with its answer, None when there was none in time."""
    name = made["metadata"]["name"]
    try:
        events = cluster.api.watch(
            ROLLOUT_ACTIONS,
            namespace=cluster.namespace,
            seconds=seconds,
            field_selector=f"metadata.name={name}",
            resource_version=made["metadata"]["resourceVersion"],
        )
        for _, found in events:
            if (found.get("status") or {}).get("outcome"):
                return found
    except ApiError as error:
        raise CliError(
            f"it is asked for, as RolloutAction {name}, but its answer cannot be read ({error.message}); "
            f"look for it with kubectl get mact {name} -n {cluster.namespace}"
        ) from error
    return None


def _sentence(status: Mapping[str, Any]) -> str:
    message = str(status.get("message") or "")
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")


def _tell(action: JsonObject, line: str, options: argparse.Namespace, screen: Terminal) -> None:
    screen.line(document(action, options.output) if options.output else line)
