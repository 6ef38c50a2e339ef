"""The flags that verbs share, by the names that kubectl gives them."""

import argparse
from collections.abc import Sequence

COMMON_WITH_VALUE = ("-n", "--namespace", "--context", "--kubeconfig", "--as", "--as-group")
COMMON_ALONE = ("-A", "--all-namespaces")
"""kubectl takes flags before a command's name as well; so do we."""


def parser(
    verb: str, description: str, *, epilog: str | None = None, outputs: Sequence[str] = (), everywhere: bool = False
) -> argparse.ArgumentParser:
    """With the flags of the connection; `-o` if there are `outputs`, `-A` if it can be `everywhere`."""
    made = argparse.ArgumentParser(
        prog=f"kubectl model {verb}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if outputs:
        made.add_argument("-o", "--output", choices=outputs, metavar="FORMAT", help=f"one of: {', '.join(outputs)}")
    add_connection(made, everywhere=everywhere)
    return made


def add_connection(made: argparse.ArgumentParser, *, everywhere: bool = False) -> None:
    """The flags that say which cluster, as whom, and where in it."""
    cluster = made.add_argument_group("which cluster, and where in it")
    cluster.add_argument("-n", "--namespace", metavar="NAME", help="default: the namespace of the kubeconfig's context")
    if everywhere:
        cluster.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    cluster.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    cluster.add_argument("--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, or ~/.kube/config")
    cluster.add_argument("--as", dest="as_user", metavar="USER", help="act as another user, for those who may")
    cluster.add_argument("--as-group", dest="as_groups", metavar="GROUP", action="append", help="and as of this group")


def name_of(text: str) -> str:
    """A ModelDeployment's name; `mdep/fraud` is accepted as kubectl prints it."""
    kind, slash, name = text.rpartition("/")
    if slash and kind.partition(".")[0] not in ("mdep", "modeldeployment", "modeldeployments"):
        raise argparse.ArgumentTypeError(f"{text!r} is no ModelDeployment; give its name, such as fraud")
    return name


def seconds_of(text: str) -> float:
    from modelrollout.api.durations import seconds

    try:
        return float(text) if text.isdecimal() else seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
