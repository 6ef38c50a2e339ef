"""The entry of `kubectl-model`: finds the verb and imports nothing else, so that help comes at once."""

import importlib
import os
import sys
from collections.abc import Sequence

from modelrollout.cli.errors import CliError

VERBS = {
    "contract": "import, check and compare contracts of models; no cluster needed",
    "profile": "how training data are spread, as a file to compare live data with; no cluster needed",
    "simulate": "what a rollout policy decides on recorded or invented traffic; no cluster needed",
}
"""A verb is a module of this package that has `run(arguments) -> exit code`."""

USAGE_ERROR = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is left in the buffer must not fail at exit again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _run(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    verb, *rest = words
    if verb not in VERBS:
        print(f"kubectl-model: there is no verb {verb!r}; there is {', '.join(VERBS)}.", file=sys.stderr)
        return USAGE_ERROR
    try:
        code: int = importlib.import_module(f"modelrollout.cli.{verb}").run(rest)
    except CliError as error:
        print(f"kubectl-model {verb}: {error}", file=sys.stderr)
        return USAGE_ERROR
    return code


def usage() -> str:
    verbs = "\n".join(f"  {verb:<10} {what}" for verb, what in VERBS.items())
    return f"usage: kubectl model VERB ...\n\nverbs:\n{verbs}\n\nkubectl model VERB --help says more about each."


if __name__ == "__main__":
    sys.exit(main())
