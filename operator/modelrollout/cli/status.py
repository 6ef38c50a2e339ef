"""`kubectl model status`: where a rollout stands, or all of them."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelrollout.cli import flags
from modelrollout.cli.cluster import Cluster, Connect, connect
from modelrollout.cli.numbers import gate_rows, towards
from modelrollout.cli.objects import Deployment, Revision, age, stamp
from modelrollout.cli.terminal import Colour, Terminal, document

_DESCRIPTION = """\
Where rollouts stand. Without NAME a line for each ModelDeployment; with NAME its stage and weight, what both versions
did by each gate, and how far the evidence of harm and of safety is from its thresholds.
"""
_EPILOG = """\
Evidence is a bet against the candidate: harm that reaches its threshold rolls back, and safety of every gate that
reaches its own goes on. Numbers are as old as their time says: the operator writes them every 30 s, and with each step.
"""


def parser() -> argparse.ArgumentParser:
    made = flags.parser("status", _DESCRIPTION, epilog=_EPILOG, outputs=("wide", "json", "yaml"), everywhere=True)
    made.add_argument("name", nargs="?", metavar="NAME", type=flags.name_of, help="a ModelDeployment (default: all)")
    made.add_argument("-w", "--watch", action="store_true", help="go on, and show each change until Ctrl-C")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    asked = parser()
    options = asked.parse_args(arguments)
    if options.name and options.all_namespaces:
        asked.error("NAME is in one namespace; leave out -A, or leave out NAME")
    screen = terminal or Terminal()
    with connect(options) as cluster:
        if not options.watch:
            screen.lines(_picture(_look(cluster, options), options, screen, cluster.now()))
            return 0
        from modelrollout.cli.live import Changes, show

        namespace = None if options.all_namespaces else cluster.namespace
        changes = Changes(cluster, namespace=namespace, name=options.name)
        try:
            show(
                changes,
                lambda: _look(cluster, options),
                lambda seen: _picture(seen, options, screen, cluster.now()),
                screen,
            )
        finally:
            changes.stop()
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """`numbers` are those of the one candidate that was asked about, if it is compared."""

    deployments: Sequence[Deployment]
    numbers: dict[str, Any] | str | None = None
    where: str


def _look(cluster: Cluster, options: argparse.Namespace) -> _Seen:
    if options.name is None:
        where = "any namespace" if options.all_namespaces else f"namespace {cluster.namespace}"
        return _Seen(deployments=cluster.deployments(everywhere=options.all_namespaces), where=where)
    deployment = cluster.deployment(options.name)
    revisions = cluster.revisions(options.name) if deployment.rolling else []
    return _Seen(deployments=[deployment], numbers=_numbers(deployment, revisions), where=cluster.namespace)


def _picture(seen: _Seen, options: argparse.Namespace, screen: Terminal, now: datetime) -> list[str]:
    program = options.output in ("json", "yaml")
    if options.name is not None:
        (one,) = seen.deployments
        if program:
            return [document(_told(one) | {"evidence": seen.numbers}, options.output)]
        return _one(one, seen.numbers, now, screen)
    if program:
        return [document([_told(one) for one in seen.deployments], options.output)]
    if not seen.deployments:
        return [f"There is no ModelDeployment in {seen.where}."]
    return _table(seen.deployments, now, screen, wide=options.output == "wide", namespaces=options.all_namespaces)


def _table(found: Iterable[Deployment], now: datetime, screen: Terminal, *, wide: bool, namespaces: bool) -> list[str]:
    header = ("NAME", "LIVE", "CANDIDATE", "STAGE", "WEIGHT", "PODS", "STATE", "SINCE")
    rows = []
    for one in found:
        row = [
            one.name,
            one.stable_version or "-",
            one.candidate_version or "-",
            one.stage or "-",
            f"{one.weight} %",
            f"{one.ready_replicas}/{one.replicas}",
            one.state,
            age(_since(one), now),
        ]
        rows.append([*([one.namespace] if namespaces else []), *row, *([one.reason, one.message] if wide else [])])
    columns = (*(("NAMESPACE",) if namespaces else ()), *header, *(("REASON", "MESSAGE") if wide else ()))
    return screen.table(columns, rows)


def _since(deployment: Deployment) -> datetime | None:
    """When its state began: that of a rollout with its stage, others with their condition."""
    told = deployment.conditions.get(deployment.state) or deployment.conditions.get("Ready")
    if deployment.state == "Progressing" and deployment.at("stageStartedAt"):
        return deployment.at("stageStartedAt")
    return told.since if told else deployment.created_at


def _one(deployment: Deployment, numbers: dict[str, Any] | str | None, now: datetime, screen: Terminal) -> list[str]:
    title = screen.colour(deployment.key, Colour.BOLD)
    lines = [f"{title}   {screen.state(deployment.state)} for {age(_since(deployment), now)}", ""]
    lines += _facts(deployment, now)
    lines += ["", *_said(deployment)]
    match numbers:
        case dict():
            lines += ["", *_evidence(numbers, now, screen)]
        case str():
            lines += ["", f"No numbers: {numbers}."]
        case None:
            pass
    return lines


def _facts(deployment: Deployment, now: datetime) -> list[str]:
    pods = f"{deployment.ready_replicas} of {deployment.replicas} pods ready"
    live = (
        f"version {deployment.stable_version} (revision {deployment.stable}), {pods}" if deployment.stable else "none"
    )
    facts = {"live": live}
    if deployment.candidate:
        facts["candidate"] = f"version {deployment.candidate_version} (revision {deployment.candidate})"
    times = [f"{deployment.stage or 'none'}"]
    if deployment.rolling:
        times[0] += f" for {age(deployment.at('stageStartedAt'), now)}"
        times.append(f"weight {deployment.weight} % for {age(deployment.at('weightChangedAt'), now)}")
        times.append(f"rollout for {age(deployment.at('rolloutStartedAt'), now)}")
    facts["stage"] = ", ".join(times)
    if expected := deployment.at("expectedVerdictAt"):
        late = expected <= now
        facts["verdict"] = "expected now" if late else f"expected in {age(now, expected)}, at {stamp(expected)}"
    if deployment.rejected:
        facts["rejected"] = f"revision {deployment.rejected}; retry, or name another version, to go on"
    if deployment.previous:
        facts["way back"] = f"revision {deployment.previous}"
    return [f"{name:<10} {said}" for name, said in facts.items()]


def _said(deployment: Deployment) -> list[str]:
    return [f"{deployment.reason}: {deployment.message}" if deployment.message else deployment.reason]


def _evidence(numbers: dict[str, Any], now: datetime, screen: Terminal) -> list[str]:
    header, rows = gate_rows(numbers, bar=screen.interactive)
    joint = towards(numbers.get("harm"), numbers.get("harmThreshold"), bar=screen.interactive)
    at = datetime.fromisoformat(numbers["at"])
    return [
        *screen.table(header, rows),
        "",
        f"together   {screen.state(numbers['verdict'])}, harm {joint}; as of {age(at, now)} ago",
    ]


def _numbers(deployment: Deployment, revisions: Iterable[Revision]) -> dict[str, Any] | str | None:
    """Of the candidate, while it is compared; None when nothing is."""
    candidate = next((one for one in revisions if one.id == deployment.candidate), None)
    if not deployment.rolling or candidate is None:
        return None
    evidence = candidate.evidence
    if evidence is None or not evidence.get("numbers"):
        return "no evidence has been written yet"
    return {"at": evidence["evaluatedAt"], **evidence["numbers"]}


def _told(deployment: Deployment) -> dict[str, Any]:
    """For programs. Fields that say nothing are null, so that every document has the same."""
    status = deployment.status
    return {
        "namespace": deployment.namespace,
        "name": deployment.name,
        "state": deployment.state,
        "reason": deployment.reason,
        "message": deployment.message,
        "stage": deployment.stage or None,
        "weight": deployment.weight,
        "live": {"version": deployment.stable_version, "revision": deployment.stable},
        "candidate": {"version": deployment.candidate_version, "revision": deployment.candidate}
        if deployment.candidate
        else None,
        "rejected": deployment.rejected,
        "previous": deployment.previous,
        "replicas": deployment.replicas,
        "readyReplicas": deployment.ready_replicas,
        **{
            key: status.get(key)
            for key in ("rolloutStartedAt", "stageStartedAt", "weightChangedAt", "expectedVerdictAt", "paused")
        },
    }
