"""`kubectl_complete-model`: what can stand next. kubectl runs it for its own completion, and our scripts do.

It is given the words after `kubectl model`, the last one as far as it was typed, and prints one choice a line, with a
description after a tab, and at the end a colon with what the shell should do besides (a bit mask of kubectl's). What
cannot be found out is no choice: a shell that completes shows no errors.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from modelrollout.cli.cluster import Connect, connect, contexts
from modelrollout.cli.errors import CliError
from modelrollout.cli.flags import add_connection
from modelrollout.cli.main import VERBS, split

NO_FILES = 4
FILES = 0

_OF_FILES = frozenset({"files", "policy", "trace", "plot", "kubeconfig"})
_OF_REVISIONS = frozenset({"revision", "before", "after", "to"})


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments) or [""]
    choices, directive = complete(words)
    for choice in choices:
        print(choice)
    print(f":{directive}")
    return 0


def complete(words: Sequence[str], *, connect: Connect = connect) -> tuple[list[str], int]:
    """Choices for the last word, and what the shell should do besides."""
    *before, last = words
    if last.startswith("--") and "=" in last:  # what is completed is the value, as if it stood by itself
        flag, _, last = last.partition("=")
        before.append(flag)
    flags, rest = split(before)
    if not rest:
        return [f"{verb}\t{what}" for verb, what in VERBS.items() if verb.startswith(last)], NO_FILES
    verb, *given = rest
    if verb not in VERBS:
        return [], NO_FILES
    line = Line(importlib.import_module(f"modelrollout.cli.{verb}").parser(), [*flags, *given])
    action = line.next(last)
    if action is None:
        return [choice for choice in line.flags() if choice.startswith(last)], NO_FILES
    if action.dest in _OF_FILES:
        return [], FILES
    return [choice for choice in _values(action, line, connect) if choice.startswith(last)], NO_FILES


class Line:
    """A line that is not finished: what was said, and what the next word would be."""

    def __init__(self, parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
        # There is no other way to ask a parser what it knows.
        self._actions = list(parser._actions)
        self._given = given
        self._arguments = [action for action in self._actions if not action.option_strings]
        self._waiting: argparse.Action | None = None
        self.said: list[str] = []
        known = {name: action for action in self._actions for name in action.option_strings}
        for word in given:
            if self._waiting is not None:
                self._waiting = None
            elif word in known:
                self._waiting = known[word] if known[word].nargs != 0 else None
            elif not word.startswith("-"):
                self.said.append(word)
                if self._arguments and self._arguments[0].nargs != "+":
                    self._arguments = self._arguments[1:]

    def next(self, last: str) -> argparse.Action | None:
        """What the last word is a value of: the flag before it, or an argument; None where it begins a flag."""
        if self._waiting is not None:
            return self._waiting
        return self._arguments[0] if self._arguments and not last.startswith("-") else None

    def flags(self) -> list[str]:
        return [
            f"{name}\t{(action.help or '').partition(';')[0]}"
            for action in self._actions
            for name in action.option_strings
            if name.startswith("--")
        ]

    def connection(self) -> argparse.Namespace:
        """The flags that say which cluster, and where in it."""
        parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
        add_connection(parser, everywhere=True)
        given = self._given if self._waiting is None else self._given[:-1]
        return parser.parse_known_args(given)[0]


def _values(action: argparse.Action, line: Line, connect: Connect) -> list[str]:
    if action.choices:
        return [str(choice) for choice in action.choices]
    try:
        return _asked(action.dest, line, connect)
    except (CliError, argparse.ArgumentError):
        return []


def _asked(what: str, line: Line, connect: Connect) -> list[str]:
    """What only the kubeconfig or the cluster knows."""
    options = line.connection()
    if what == "context":
        return contexts(options)
    if what not in ("name", "namespace", *_OF_REVISIONS):
        return []
    with connect(options) as cluster:
        if what == "name":
            return [f"{one.name}\t{one.state}" for one in cluster.deployments()]
        if what == "namespace":
            return sorted({one.namespace for one in cluster.deployments(everywhere=True)})
        found = cluster.revisions(line.said[0]) if line.said else []
        return [f"{one.id}\tversion {one.version}, {one.state}" for one in found]
