"""`kubectl model promote`: on to all traffic without more evidence."""

import argparse
from collections.abc import Sequence

from modelrollout.cli import ask
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.terminal import Terminal

_DESCRIPTION = """\
Take the candidate on without waiting for more evidence: to all traffic and the soak, or out of the soak. It needs its
pods, and it does not go past evidence of harm or a review.
"""


def parser() -> argparse.ArgumentParser:
    return ask.parser("promote", _DESCRIPTION)


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = ask.options_of(parser(), arguments)
    with connect(options) as cluster:
        deployment = ask.looked_at(cluster, options.name)
        about = ask.digest_of(cluster, options.name, deployment.candidate if deployment else None)
        question = ask.Question(verb="promote", deployment=options.name, about=about)
        return ask.ask(question, cluster, options, terminal or Terminal())
