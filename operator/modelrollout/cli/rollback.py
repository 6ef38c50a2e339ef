"""`kubectl model rollback`: the way back, for two o'clock at night."""

import argparse
from collections.abc import Sequence

from modelrollout.cli import ask
from modelrollout.cli.cluster import Cluster, Connect, connect
from modelrollout.cli.errors import CliError
from modelrollout.cli.find import revision
from modelrollout.cli.objects import ID_DIGITS
from modelrollout.cli.terminal import Terminal

_DESCRIPTION = """\
Back to the version before. While a rollout is under way its candidate is taken back; otherwise what is live goes back
to the version that was live before it, or to the one that --to names. It waits for no evidence and no approval.
"""
_EPILOG = """\
What is taken back is not tried again until the spec names another version, or somebody says retry. If the operator has
rolled back by itself in the meantime, this is refused, so that there are never two steps back for one.
"""


def parser() -> argparse.ArgumentParser:
    made = ask.parser("rollback", _DESCRIPTION, epilog=_EPILOG, name_optional=True)
    made.add_argument("--to", metavar="REV", help="a version or a revision's id that was live before")
    return made


def run(arguments: Sequence[str], *, connect: Connect = connect, terminal: Terminal | None = None) -> int:
    options = ask.options_of(parser(), arguments)
    with connect(options) as cluster:
        name = options.name or _only_one(cluster)
        deployment = ask.looked_at(cluster, name)
        about = deployment.candidate or deployment.stable if deployment else None
        question = ask.Question(
            verb="rollback",
            deployment=name,
            about=ask.digest_of(cluster, name, about),
            fields={"revision": _destination(cluster, name, options.to)} if options.to else {},
        )
        return ask.ask(question, cluster, options, terminal or Terminal())


def _only_one(cluster: Cluster) -> str:
    names = [one.name for one in cluster.deployments()]
    if len(names) != 1:
        said = f"there is {', '.join(names)}; name one" if names else "there is none"
        raise CliError(f"which ModelDeployment? In namespace {cluster.namespace} {said}")
    return names[0]


def _destination(cluster: Cluster, name: str, named: str) -> str:
    """An id as it is; it need not be looked for."""
    if len(named) == ID_DIGITS and all(digit in "0123456789abcdef" for digit in named):
        return named
    return revision(named, cluster.deployment(name), cluster.revisions(name)).id
