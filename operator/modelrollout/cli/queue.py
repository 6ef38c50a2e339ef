"""`kubectl model queue`: what waits for a person, over all namespaces."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from modelrollout.adapters.kubernetes.errors import Forbidden
from modelrollout.cli import flags
from modelrollout.cli.cluster import Cluster, Connect, connect
from modelrollout.cli.objects import Deployment, age
from modelrollout.cli.terminal import Terminal, document

_DESCRIPTION = """\
What waits for a person: reviews, rollouts that somebody or onInconclusive has paused, what is stalled, and versions
that were rolled back and that the spec still names. The longest wait comes first, with the command to type next.
All namespaces, if you may list them; otherwise yours.
"""
_EPILOG = "With -o wide it says why each of them waits."


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """`waits_for` names what it is, `command` what to type next."""

    deployment: Deployment
    waits_for: str
    since: datetime | None
    command: str

    @property
    def version(self) -> str:
        """The one that it is about."""
        return self.deployment.candidate_version or self.deployment.spec.get("model", {}).get("version") or "-"


def parser() -> argparse.ArgumentParser:
    made = flags.parser("queue", _DESCRIPTION, epilog=_EPILOG, outputs=("wide", "json", "yaml"), everywhere=True)
    made.add_argument("-w", "--watch", action="store_true", help="go on, and show each change until Ctrl-C")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    screen = terminal or Terminal()
    with connect(options) as cluster:
        namespace = _namespace(cluster, options, screen)
        if not options.watch:
            screen.lines(_picture(_look(cluster, namespace, options), options, screen, cluster.now()))
            return 0
        from modelrollout.cli.live import Changes, show

        changes = Changes(cluster, namespace=namespace, name=None)
        try:
            show(
                changes,
                lambda: _look(cluster, namespace, options),
                lambda found: _picture(found, options, screen, cluster.now()),
                screen,
            )
        finally:
            changes.stop()
    return 0


def _namespace(cluster: Cluster, options: argparse.Namespace, screen: Terminal) -> str | None:
    """None is all of them."""
    if options.namespace and not options.all_namespaces:
        return cluster.namespace
    try:
        cluster.deployments(everywhere=True)
    except Forbidden:
        if options.all_namespaces:
            raise
        screen.note(f"you may not list all namespaces; this is namespace {cluster.namespace}")
        return cluster.namespace
    return None


def _look(cluster: Cluster, namespace: str | None, options: argparse.Namespace) -> list[Waiting]:
    found = cluster.deployments(everywhere=namespace is None)
    context = f" --context {options.context}" if options.context else ""
    waiting = [one for one in (_waiting(deployment, context) for deployment in found) if one is not None]
    return sorted(waiting, key=lambda one: one.since or one.deployment.created_at)


def _waiting(deployment: Deployment, context: str) -> Waiting | None:
    """None when it waits for nobody."""
    role = _role(deployment)
    match deployment.state:
        case "AwaitingReview":
            waits_for = f"review by {role}" if role else "review"
            words = f"approve NAME{f' --role {role}' if role else ''} --reason 'WHY'"
        case "Paused" if deployment.status.get("paused"):
            waits_for, words = f"resume, paused by {deployment.status['paused']['by']}", "resume NAME --reason 'WHY'"
        case "Paused":
            waits_for, words = "decision, inconclusive", "why NAME"
        case "Stalled":
            waits_for, words = f"repair, {deployment.reason}", "status NAME"
        case "RolledBack" if deployment.stage != "Rollback":
            waits_for, words = "another version, rolled back", "why NAME"
        case _:
            return None
    where = f"{deployment.name} -n {deployment.namespace}{context}"
    return Waiting(
        deployment=deployment,
        waits_for=waits_for,
        since=deployment.conditions[deployment.state].since,
        command=f"kubectl model {words.replace('NAME', where, 1)}",
    )


def _role(deployment: Deployment) -> str | None:
    """The one that the review asks for."""
    stages = (deployment.spec.get("rollout") or {}).get("stages") or ()
    return next((stage["review"].get("role") for stage in stages if stage.get("review") is not None), None)


def _picture(found: Sequence[Waiting], options: argparse.Namespace, screen: Terminal, now: datetime) -> list[str]:
    if options.output in ("json", "yaml"):
        return [document([_document(one) for one in found], options.output)]
    if not found:
        return ["Nothing waits for a person."]
    header = ("NAMESPACE", "NAME", "VERSION", "WAITS FOR", "AGE", "NEXT")
    rows = [
        [one.deployment.namespace, one.deployment.name, one.version, one.waits_for, age(one.since, now), one.command]
        for one in found
    ]
    if options.output == "wide":
        rows = [[*row, one.deployment.message] for row, one in zip(rows, found, strict=True)]
        return screen.table((*header, "WHY"), rows)
    return screen.table(header, rows, cut=False)


def _document(one: Waiting) -> dict[str, str | None]:
    return {
        "namespace": one.deployment.namespace,
        "name": one.deployment.name,
        "version": one.version,
        "state": one.deployment.state,
        "waitsFor": one.waits_for,
        "since": one.since.isoformat() if one.since else None,
        "message": one.deployment.message,
        "next": one.command,
    }
