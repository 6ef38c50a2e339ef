"""Manifests with the lines that their fields stand on.

YAML as kubectl reads it: a date stays the text that it is, and a key that is given twice is an error.
"""

import re
import sys
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from modelrollout.cli.errors import CliError

_SUFFIXES = (".yaml", ".yml", ".json")
STANDARD_INPUT = "-"

Location = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with the text itself."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """One object. `faults` are keys that are given twice."""

    source: str
    body: Any
    node: yaml.Node = field(repr=False)
    faults: tuple[Fault, ...] = ()

    def line(self, location: Location) -> int:
        """Of a field, or of the deepest part of the way there that exists."""
        node, mark = self.node, self.node.start_mark
        for part in location:
            found = _child(node, part)
            if found is None:
                break
            node, mark = found
        return int(mark.line) + 1


class _Loader(yaml.SafeLoader):
    """Plain words as Kubernetes reads them: no dates, no numbers to the base of sixty, and 1e6 is a number."""


_OURS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] not in _OURS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.nan)$"
    ),
    list("-+0123456789."),
)


def paths(given: Sequence[str]) -> Iterator[str]:
    """Files; a folder is all manifests in it."""
    for name in given:
        folder = Path(name)
        if name != STANDARD_INPUT and folder.is_dir():
            found = sorted(str(path) for path in folder.iterdir() if path.suffix in _SUFFIXES)
            if not found:
                raise CliError(f"{name} has no file that ends in {', '.join(_SUFFIXES)}.")
            yield from found
        else:
            yield name


def read(source: str) -> Iterator[Document | Fault]:
    """All documents of a file, `-` for standard input; and where it is no YAML, up to there."""
    loader = _Loader(_text(source))
    shown = "<stdin>" if source == STANDARD_INPUT else source
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                return
            faults = tuple(_twice(node))
            yield Document(shown, loader.construct_document(node), node, faults)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield Fault(mark.line + 1 if mark else 1, f"no YAML: {error.problem or error.context}")
    finally:
        loader.dispose()


def _text(source: str) -> str:
    try:
        return sys.stdin.read() if source == STANDARD_INPUT else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{source} is no text in UTF-8.") from error


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Mark] | None:
    match node:
        case yaml.MappingNode():
            return next(((value, key.start_mark) for key, value in node.value if key.value == str(part)), None)
        case yaml.SequenceNode() if isinstance(part, int) and 0 <= part < len(node.value):
            return node.value[part], node.value[part].start_mark
        case _:
            return None


def _twice(node: yaml.Node) -> Iterator[Fault]:
    match node:
        case yaml.MappingNode():
            seen: set[Hashable] = set()
            for key, value in node.value:
                if key.value in seen and key.value != "<<":
                    yield Fault(key.start_mark.line + 1, f"the key {key.value} is given twice; remove one")
                seen.add(key.value)
                yield from _twice(value)
        case yaml.SequenceNode():
            for item in node.value:
                yield from _twice(item)
