"""`kubectl model lint`: what the API server would refuse, and what is allowed and often regretted."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from modelrollout.cli.terminal import Colour, Terminal, document

if TYPE_CHECKING:
    from modelrollout.cli.documents import Document, Location

_DESCRIPTION = """\
Check manifests before they are applied, without a cluster: by the rules of the API server, word for word, and with
advice about what is allowed and often regretted. Objects of other kinds are passed over.
"""
_EPILOG = """\
The exit code is 1 when there are errors, or with --strict advice; 0 otherwise. advice is told by its name in brackets.
"""
FOUND = 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="kubectl model lint",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("files", nargs="+", metavar="FILE", help="YAML or JSON, several documents each; a folder; or -")
    made.add_argument("--strict", action="store_true", help="advice counts as an error")
    made.add_argument(
        "--requests-per-second", type=_rate, metavar="RATE", help="what users send, to judge how long a gate takes"
    )
    made.add_argument("-o", "--output", choices=("json", "yaml"), metavar="FORMAT", help="one of: json, yaml")
    return made


def run(arguments: Sequence[str], *, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    screen = terminal or Terminal()
    from modelrollout.cli.documents import Document, paths, read

    found: list[dict[str, object]] = []
    looked_at = passed_over = 0
    for source in paths(options.files):
        for one in read(source):
            if not isinstance(one, Document):
                shown = "<stdin>" if source == "-" else source
                found.append(_told(shown, one.line, (), one.message, None))
                continue
            faults = list(_findings(one, options))
            found += faults
            if faults or _ours(one):
                looked_at += 1
            elif one.body is not None:
                passed_over += 1
    errors = sum(one["advice"] is None for one in found)
    if options.output:
        screen.line(document(found, options.output))
    else:
        screen.lines(_line(one, screen) for one in found)
        passed = f", {_count(passed_over, 'object')} of other kinds passed over" if passed_over else ""
        advice = _count(len(found) - errors, "piece") + " of advice"
        print(f"{_count(looked_at, 'object')}: {_count(errors, 'error')}, {advice}{passed}", file=sys.stderr)
    return FOUND if errors or (options.strict and found) else 0


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests greater than 0")
    return rate


def _ours(one: "Document") -> bool:
    from modelrollout.cli.check import ours

    return ours(one.body)


def _findings(one: "Document", options: argparse.Namespace) -> Iterator[dict[str, object]]:
    from modelrollout.cli.check import errors, ours

    if not ours(one.body):
        return
    yield from (_told(one.source, fault.line, (), fault.message, None) for fault in one.faults)
    wrong = list(errors(one.body))
    if not wrong and one.body["kind"] == "ModelDeployment":
        from modelrollout.cli.advice import advice

        wrong = list(advice(one.body, per_second=options.requests_per_second))
    for finding in sorted(wrong, key=lambda finding: one.line(finding.location)):
        yield _told(one.source, one.line(finding.location), finding.location, finding.message, finding.advice)


def _told(source: str, line: int, location: "Location", message: str, advice: str | None) -> dict[str, object]:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    return {"file": source, "line": line, "field": path or None, "message": message, "advice": advice}


def _line(one: dict[str, object], screen: Terminal) -> str:
    kind = screen.colour("error", Colour.RED)
    if one["advice"] is not None:
        kind = screen.colour("advice", Colour.YELLOW) + f" [{one['advice']}]"
    field = f"{one['field']}: " if one["field"] else ""
    return f"{one['file']}:{one['line']}: {kind}: {field}{one['message']}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
