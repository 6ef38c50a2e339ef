"""The entry of `kubectl-model`: finds the verb and imports nothing else, so that help comes at once."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from modelrollout.cli.errors import USAGE_ERROR, CliError
from modelrollout.cli.flags import COMMON_ALONE, COMMON_WITH_VALUE

GROUPS: Mapping[str, Mapping[str, str]] = {
    "see": {
        "status": "where rollouts stand; --watch shows one as it goes",
        "history": "what was in production, when, and why it ended",
        "diff": "what differs between two revisions",
        "why": "a decision and its numbers, in one paragraph",
        "queue": "what waits for a person, and the command to type next",
    },
    "ask": {
        "rollback": "back to the version before",
        "promote": "on to all traffic without more evidence",
        "pause": "hold a rollout",
        "resume": "let it go on",
        "approve": "let a candidate past its review",
        "reject": "take a candidate back",
        "retry": "try a rolled back version again",
    },
    "prepare": {
        "lint": "the rules of the API server and advice, before you apply",
        "contract": "import, check and compare contracts of models",
        "profile": "how training data are spread, to compare live data with",
        "simulate": "what a rollout policy decides on recorded or invented traffic; no cluster needed",
        "adopt": "the manifest that takes over a running Deployment",
        "release": "the manifests that serve without a ModelDeployment again",
        "completion": "completion for bash, zsh or fish",
    },
}
"""A verb is a module of this package that has `parser()`, and `run(arguments)` which gives the exit code."""

VERBS = {verb: what for verbs in GROUPS.values() for verb, what in verbs.items()}

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
    before, rest = split(words)
    if not rest or rest[0] in ("-h", "--help", "help"):
        if len(rest) > 1 and rest[0] == "help" and rest[1] in VERBS:
            return _run([rest[1], "--help"])
        print(usage())
        return 0
    verb, *others = rest
    if verb not in VERBS:
        print(f"kubectl-model: {unknown(verb)}", file=sys.stderr)
        return USAGE_ERROR
    try:
        code: int = importlib.import_module(f"modelrollout.cli.{verb}").run([*before, *others])
    except CliError as error:
        print(f"kubectl-model {verb}: {error}", file=sys.stderr)
        return error.exit_code
    return code


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The common flags that stand before the verb, and the rest, which begins with the verb."""
    place = 0
    while place < len(words) and words[place].partition("=")[0] in (*COMMON_WITH_VALUE, *COMMON_ALONE):
        place += 2 if words[place] in COMMON_WITH_VALUE else 1
    return list(words[:place]), list(words[place:])


def unknown(verb: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(verb, VERBS, n=1)
    return f"there is no verb {verb!r}; " + (f"did you mean {near[0]}?" if near else f"there is {', '.join(VERBS)}.")


def usage() -> str:
    parts = ["usage: kubectl model VERB ..."]
    for group, verbs in GROUPS.items():
        parts.append(f"{group}:\n" + "\n".join(f"  {verb:<10} {what}" for verb, what in verbs.items()))
    parts.append("kubectl model VERB --help says more about each.")
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
