"""`kubectl model resume`: let a paused rollout go on."""

import argparse
from collections.abc import Sequence

from modelrollout.cli import ask
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.terminal import Terminal

_DESCRIPTION = """\
Let a rollout go on that a person or onInconclusive has paused. Its time and its error budget begin anew.
"""


def parser() -> argparse.ArgumentParser:
    return ask.parser("resume", _DESCRIPTION)


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = ask.options_of(parser(), arguments)
    with connect(options) as cluster:
        ask.looked_at(cluster, options.name)
        question = ask.Question(verb="resume", deployment=options.name)
        return ask.ask(question, cluster, options, terminal or Terminal())
