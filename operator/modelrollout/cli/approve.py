"""`kubectl model approve`: let a candidate past its review."""

import argparse
from collections.abc import Sequence

from modelrollout.cli import ask
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.errors import CliError
from modelrollout.cli.terminal import Terminal

HOLDS_SECONDS = 3600.0
_DESCRIPTION = """\
Let the candidate past its review. The approval is for the candidate of this moment and no other, and expires.
"""
_EPILOG = """\
It takes the verb approve on the ModelDeployment; with --role R the verb approve-R as well. kubectl model queue shows
which role a review waits for. An approval may last seven days at most.
"""


def parser() -> argparse.ArgumentParser:
    made = ask.parser("approve", _DESCRIPTION, epilog=_EPILOG)
    made.add_argument("--role", metavar="ROLE", help="the role in which you approve, as the review asks for it")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = ask.options_of(parser(), arguments)
    with connect(options) as cluster:
        deployment = cluster.deployment(options.name)
        about = cluster.digest(deployment.name, deployment.candidate) if deployment.candidate else None
        if about is None:
            raise CliError(f"{deployment.key} has no candidate: nothing waits for an approval")
        question = ask.Question(
            verb="approve",
            deployment=options.name,
            about=about,
            fields={"role": options.role} if options.role else {},
            expires_in=HOLDS_SECONDS,
        )
        return ask.ask(question, cluster, options, terminal or Terminal())
