"""The command line: ``python -m cluster VERB``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cluster import binaries, images, inside, mlflow_server, monitoring_operator, settings
from cluster.down import down
from cluster.errors import ClusterError
from cluster.progress import say
from cluster.settings import Settings
from cluster.status import status
from cluster.up import up


def main() -> int:
    """Runs a verb; every expected failure is one sentence and exit code 1."""
    arguments = _parser().parse_args()
    try:
        return _run(arguments, settings.load())
    except ClusterError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; the same command goes on where this one stopped.")
        return 130


def _run(arguments: argparse.Namespace, chosen: Settings) -> int:
    match arguments.verb:
        case "up":
            up(chosen)
        case "down":
            down(chosen, with_cache=arguments.cache)
        case "exec":
            inside.execute(chosen, arguments.command)
        case "image":
            print(
                images.build(
                    chosen, arguments.name, Path(arguments.folder), base=arguments.base, variant=arguments.variant
                )
            )
        case "binaries":
            for path in _programs(chosen, arguments.names):
                print(path)
        case "mlflow-server":
            print(mlflow_server.ensure(chosen))
        case "status":
            text, ready = status(chosen)
            print(text)
            return 0 if ready else 1
    return 0


def _programs(chosen: Settings, names: list[str]) -> list[Path]:
    if unknown := [name for name in names if name not in binaries.PROGRAMS]:
        raise ClusterError(f"There is no program {unknown[0]!r}: use some of {', '.join(sorted(binaries.PROGRAMS))}.")
    built = binaries.ensure(chosen, *(names or (*binaries.API_SERVER_PROGRAMS, *binaries.TEST_PROGRAMS)))
    return [*built.values(), *([] if names else [monitoring_operator.definitions(chosen)])]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cluster", description="A throw-away Kubernetes cluster.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("up", help="make the cluster, or complete a half-made one")
    removal = verbs.add_parser("down", help="remove the cluster")
    removal.add_argument("--cache", action="store_true", help="remove what is slow to make, too")
    run = verbs.add_parser("exec", help="run a command where the cluster is reachable")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="after --, the command and its arguments")
    image = verbs.add_parser("image", help="build an image and load it into the node; prints its tag")
    image.add_argument("name", metavar="NAME")
    image.add_argument("folder", metavar="DIR", help="the folder with the Dockerfile")
    image.add_argument("--variant", default="", help="build from VARIANT.Dockerfile and VARIANT.lock instead")
    image.add_argument("--base", choices=sorted(images.PUBLIC_BASES), default="python")
    programs = verbs.add_parser("binaries", help="build programs: without names, those of tests without a cluster")
    programs.add_argument("names", nargs="*", metavar="NAME", help="helm, for example")
    verbs.add_parser("mlflow-server", help="install MLflow in an environment of its own; prints its Python")
    verbs.add_parser("status", help="say what runs and where")
    return parser


if __name__ == "__main__":
    sys.exit(main())
