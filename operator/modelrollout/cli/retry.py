"""`kubectl model retry`: try a rolled back version again."""

import argparse
from collections.abc import Sequence

from modelrollout.cli import ask
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.terminal import Terminal

_DESCRIPTION = """\
Try the version again that was rolled back and that the spec still names. What is known against it stays known: it
starts with the evidence of harm that it had.
"""


def parser() -> argparse.ArgumentParser:
    return ask.parser("retry", _DESCRIPTION)


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = ask.options_of(parser(), arguments)
    with connect(options) as cluster:
        deployment = ask.looked_at(cluster, options.name)
        about = ask.digest_of(cluster, options.name, deployment.rejected if deployment else None)
        question = ask.Question(verb="retry", deployment=options.name, about=about)
        return ask.ask(question, cluster, options, terminal or Terminal())
