"""`kubectl model history`: what was in production, when, for how long, why it ended and what was new in it."""

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from modelrollout.api.durations import told
from modelrollout.cli import flags
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.objects import Revision, stamp
from modelrollout.cli.stints import Stint, stints
from modelrollout.cli.terminal import Terminal, document

_DESCRIPTION = """\
What was in production, newest first: each version with its revision, when it went live, for how long, why that ended
and what was new in it. Versions that never went live are in it too, with what became of them.
"""
_EPILOG = "With -o wide each change has a line of its own. kubectl model why NAME REVISION tells a decision's numbers."


def parser() -> argparse.ArgumentParser:
    made = flags.parser("history", _DESCRIPTION, epilog=_EPILOG, outputs=("wide", "json", "yaml"))
    made.add_argument("name", metavar="NAME", type=flags.name_of, help="a ModelDeployment")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    screen = terminal or Terminal()
    with connect(options) as cluster:
        revisions = cluster.revisions(options.name)
        if not revisions:
            cluster.deployment(options.name)
    found, now = stints(revisions), cluster.now()
    if options.output in ("json", "yaml"):
        screen.line(document([_document(one, now) for one in found], options.output))
    elif not found:
        screen.line(f"{options.name} has no revision yet.")
    elif options.output == "wide":
        _wide(found, now, screen)
    else:
        rows = [[*_row(one, now), _changes(one.revision)] for one in found]
        screen.lines(screen.table((*_HEADER, "CHANGES"), rows))
    return 0


_HEADER = ("VERSION", "REVISION", "STATE", "LIVE SINCE", "FOR", "ENDED")


def _row(stint: Stint, now: datetime) -> list[str]:
    return [
        stint.revision.version,
        stint.revision.id,
        stint.state,
        stamp(stint.live_at),
        _length(stint, now) or "-",
        stint.ended or "-",
    ]


def _length(stint: Stint, now: datetime) -> str | None:
    return told((stint.until or now) - stint.live_at) if stint.live_at else None


def _changes(revision: Revision) -> str:
    if not revision.changes:
        return "the first version" if revision.first else "-"
    # Changelogs are people's own words, and may have several lines.
    return "; ".join(" ".join(entry.split()) for entry in revision.changes)


def _wide(found: Sequence[Stint], now: datetime, screen: Terminal) -> None:
    header, *rows = screen.table(_HEADER, [_row(one, now) for one in found])
    screen.line(header)
    for row, stint in zip(rows, found, strict=True):
        screen.line(row)
        since = f"since version {stint.revision.since}: " if stint.revision.since else ""
        for entry in stint.revision.changes:
            screen.lines(f"    {since if place == 0 else ''}{line}" for place, line in enumerate(entry.splitlines()))
            since = ""


def _document(stint: Stint, now: datetime) -> dict[str, Any]:
    def text(at: datetime | None) -> str | None:
        return at.isoformat() if at else None

    return {
        "version": stint.revision.version,
        "revision": stint.revision.id,
        "state": stint.state,
        "liveAt": text(stint.live_at),
        "until": text(stint.until),
        "liveFor": _length(stint, now),
        "ended": stint.ended,
        "since": stint.revision.since,
        "changes": list(stint.revision.changes),
    }
