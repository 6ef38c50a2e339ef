"""`kubectl model why`: a decision in one paragraph that can be read aloud, with its numbers."""

import argparse
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from modelrollout.cli import flags
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.disagreements import disagreements
from modelrollout.cli.errors import CliError
from modelrollout.cli.find import revision
from modelrollout.cli.numbers import gate_rows, points, power
from modelrollout.cli.objects import Deployment, Revision, age, stamp
from modelrollout.cli.terminal import Terminal, document

_DESCRIPTION = """\
Why things are as they are: the newest decision about a revision in one paragraph, with both arms, the bound, the
evidence and its threshold, the stage, the weight, when it was and by whom. Without REV it is the newest decision about
any revision.
"""
_EPILOG = """\
REV is a version, a revision's id or its beginning, or live, candidate, previous. While a disagreement waits for a
person, the requests on which the two versions differ most follow; that takes the right to get services/proxy.
"""


def parser() -> argparse.ArgumentParser:
    made = flags.parser("why", _DESCRIPTION, epilog=_EPILOG, outputs=("json", "yaml"))
    made.add_argument("name", metavar="NAME", type=flags.name_of, help="a ModelDeployment")
    made.add_argument("revision", nargs="?", metavar="REV", help="which of its revisions")
    made.add_argument("--all", action="store_true", help="every decision about it that is kept, oldest first")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    screen = terminal or Terminal()
    with connect(options) as cluster:
        deployment, revisions = cluster.deployment(options.name), cluster.revisions(options.name)
        examples = [] if options.output or options.all else disagreements(cluster, deployment)
    chosen = revision(options.revision, deployment, revisions) if options.revision else _newest(revisions)
    if chosen is None or not chosen.decisions:
        about = f"{deployment.key}, {chosen}" if chosen and options.revision else deployment.key
        raise CliError(f"no decision about {about} is on record; it says: {deployment.reason}: {deployment.message}")
    decisions = chosen.decisions if options.all else chosen.decisions[-1:]
    if options.output:
        told = [{"version": chosen.version, "revision": chosen.id, **one} for one in decisions]
        screen.line(document(told if options.all else told[0], options.output))
        return 0
    width = min(screen.width or 120, 120)
    for number, decision in enumerate(decisions):
        if number:
            screen.line()
        screen.lines(_wrapped(_paragraph(deployment, chosen, decision, cluster.now()), width))
        header, rows = gate_rows(decision)
        if rows:
            screen.lines(["", *screen.table(header, rows)])
    if (since := _since_then(deployment, chosen)) is not None:
        screen.lines(["", *_wrapped(since, width)])
    if examples:
        screen.lines(["", *examples])
    return 0


def _wrapped(text: str, width: int) -> list[str]:
    """A number stays with its percent sign."""
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(text.replace(" %", "\u00a0%"), width)]


def _newest(revisions: Sequence[Revision]) -> Revision | None:
    """The one with the newest decision."""
    decided = [one for one in revisions if one.decisions]
    return max(decided, key=lambda one: datetime.fromisoformat(one.decisions[-1]["at"])) if decided else None


def _paragraph(deployment: Deployment, about: Revision, decision: Mapping[str, Any], now: datetime) -> str:
    at = datetime.fromisoformat(decision["at"])
    message = decision["message"].rstrip(".")
    parts = [
        f"{deployment.key}, {about}: {_DONE.get(decision['outcome'], decision['outcome'])} ({decision['reason']}) "
        f"in stage {decision['stage']} at weight {decision['weight']} % on {stamp(at)}, {age(at, now)} ago; "
        f"{_who(decision)}.",
        f"{message[:1].upper()}{message[1:]}.",
    ]
    if decision.get("verdict"):
        parts.append(_numbers(decision))
    return " ".join(part for part in parts if part)


def _who(decision: Mapping[str, Any]) -> str:
    """A person, an alert, or the evidence alone."""
    if (alert := decision.get("alert")) and decision["outcome"] != "Resume":
        since = stamp(datetime.fromisoformat(alert["startsAt"]))
        return f"the alert {alert['name']}, which rollout.alerts {alert['policy']} names, fires since {since}"
    if decision.get("by"):
        return f"{decision['by']} asked for it"
    return "the operator decided it by itself"


_DONE = {
    "Install": "it was installed",
    "Advance": "it went a step on",
    "Promote": "it was promoted",
    "RollBack": "it was rolled back",
    "Pause": "it was paused",
    "Resume": "it was resumed",
    "Restart": "its evidence began anew",
    "Supersede": "it was superseded",
}


def _numbers(decision: Mapping[str, Any]) -> str:
    """The joint evidence, and what is still possible by the bounds."""
    harm, rolls_back, goes_on = (decision.get(key) for key in ("harm", "harmThreshold", "safetyThreshold"))
    said = f"The verdict was {decision['verdict']}: evidence of harm {power(harm)}, which rolls back at "
    said += f"{power(rolls_back)}; evidence of safety has to reach {power(goes_on)} at every gate."
    # Of pairs of answers the message says it: a different answer is not spoilt.
    of_requests = [gate for gate in decision["gates"] if not str(gate.get("detail")).startswith("noise floor")]
    bounded = [gate for gate in of_requests if gate.get("bound") is not None]
    if bounded:
        said += " Requests in a hundred that the candidate may be spoiling beyond the live version, at most: "
        said += ", ".join(f"{gate['name']} {points(gate['bound'])}" for gate in bounded) + "."
    return said


def _since_then(deployment: Deployment, about: Revision) -> str | None:
    """How it stands now, where the decision alone does not say it."""
    if about.id not in (deployment.candidate, deployment.stable, deployment.rejected) or not deployment.message:
        return None
    if deployment.state == "Ready" or about.decisions[-1]["message"] in deployment.message:
        return None
    return f"Now: {deployment.state}, {deployment.reason}: {deployment.message}."
