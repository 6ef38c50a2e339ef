"""`kubectl model pause`: hold a rollout."""

import argparse
from collections.abc import Sequence

from modelrollout.cli import ask
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.terminal import Terminal

_DESCRIPTION = """\
Hold a rollout where it is, until somebody resumes or promotes it. Evidence goes on being gathered, and evidence of harm
rolls back all the same.
"""


def parser() -> argparse.ArgumentParser:
    return ask.parser("pause", _DESCRIPTION)


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = ask.options_of(parser(), arguments)
    with connect(options) as cluster:
        ask.looked_at(cluster, options.name)
        question = ask.Question(verb="pause", deployment=options.name)
        return ask.ask(question, cluster, options, terminal or Terminal())
