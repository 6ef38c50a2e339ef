"""`kubectl model diff`: what differs between two revisions, down to the content of their configuration."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff

from modelrollout.cli import flags
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.contents import Contents, contents
from modelrollout.cli.errors import CliError, RefusedError
from modelrollout.cli.find import revision
from modelrollout.cli.objects import Revision
from modelrollout.cli.terminal import Colour, Terminal, document

DIFFERENT = 1
_DESCRIPTION = """\
What differs between two revisions: the model, the pod template with its images, and every key of the ConfigMaps that
they read, as they were then. Without REV it is the live revision against the candidate, or against the one before it
while there is no candidate.
"""
_EPILOG = """\
REV is a version, a revision's id or its beginning, or live, candidate, previous. Of Secrets no content is kept, only
that it changed. The exit code is 0 when nothing differs, 1 when something does, 2 when it cannot be told, as that of
kubectl diff.
"""
_COLOURS = {"---": Colour.BOLD, "+++": Colour.BOLD, "-": Colour.RED, "+": Colour.GREEN, "@": Colour.BLUE}


def parser() -> argparse.ArgumentParser:
    made = flags.parser("diff", _DESCRIPTION, epilog=_EPILOG, outputs=("json", "yaml"))
    made.add_argument("name", metavar="NAME", type=flags.name_of, help="a ModelDeployment")
    made.add_argument("before", nargs="?", metavar="REV", help="the one (default: live, or previous)")
    made.add_argument("after", nargs="?", metavar="REV", help="the other (default: candidate, or live)")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    screen = terminal or Terminal()
    try:
        with connect(options) as cluster:
            deployment, revisions = cluster.deployment(options.name), cluster.revisions(options.name)
            rolling = deployment.candidate is not None and deployment.candidate != deployment.stable
            before = revision(options.before or ("live" if rolling else "previous"), deployment, revisions)
            after = revision(options.after or ("candidate" if rolling else "live"), deployment, revisions)
            old, new = contents(cluster, before), contents(cluster, after)
    except RefusedError as error:
        raise CliError(str(error)) from error
    differing = [path for path in sorted({*old.files, *new.files}) if old.files.get(path) != new.files.get(path)]
    if options.output:
        changes = [{"path": path, "before": old.files.get(path), "after": new.files.get(path)} for path in differing]
        screen.line(document(changes, options.output))
    elif not differing:
        screen.line(f"{before} and {after} have the same content.")
    else:
        for path in differing:
            screen.lines(_coloured(line, screen) for line in _unified(path, (before, old), (after, new)))
    for note in dict.fromkeys((*old.notes, *new.notes)):
        screen.note(note)
    return DIFFERENT if differing else 0


def _unified(path: str, before: tuple[Revision, Contents], after: tuple[Revision, Contents]) -> Iterator[str]:
    (old, had), (new, has) = before, after
    yield from unified_diff(
        _lines(had.files, path),
        _lines(has.files, path),
        fromfile=f"{path}   version {old.version} ({old.id})",
        tofile=f"{path}   version {new.version} ({new.id})",
        lineterm="",
    )


def _lines(files: Mapping[str, str], path: str) -> list[str]:
    return files[path].splitlines() if path in files else []


def _coloured(line: str, screen: Terminal) -> str:
    return screen.colour(line, next((colour for start, colour in _COLOURS.items() if line.startswith(start)), None))
