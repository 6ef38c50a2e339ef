"""`kubectl model reject`: take a candidate back."""

import argparse
from collections.abc import Sequence

from modelrollout.cli import ask
from modelrollout.cli.cluster import Connect, connect
from modelrollout.cli.terminal import Terminal

_DESCRIPTION = """\
Take the candidate back, from its review or any other stage. It is not tried again until the spec names another version,
or somebody says retry.
"""


def parser() -> argparse.ArgumentParser:
    return ask.parser("reject", _DESCRIPTION)


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = ask.options_of(parser(), arguments)
    with connect(options) as cluster:
        deployment = ask.looked_at(cluster, options.name)
        about = ask.digest_of(cluster, options.name, deployment.candidate if deployment else None)
        question = ask.Question(verb="reject", deployment=options.name, about=about)
        return ask.ask(question, cluster, options, terminal or Terminal())
