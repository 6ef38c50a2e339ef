"""The manifests of `corpus/`: good ones, and bad ones that break one rule each.

The first line of a bad one is the comment `# expect: SENTENCE`; the sentence is part of what the API server answers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "corpus"
_EXPECT = "# expect: "


@dataclass(frozen=True)
class Manifest:
    path: Path

    def __str__(self) -> str:
        return self.path.stem

    @property
    def body(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.path.read_text())
        return loaded

    @property
    def expected(self) -> str:
        first = self.path.read_text().splitlines()[0]
        if not first.startswith(_EXPECT):
            raise ValueError(f"{self.path}: the first line must be a comment `{_EXPECT}SENTENCE`")
        return first.removeprefix(_EXPECT)


def _manifests(folder: str) -> list[Manifest]:
    found = [Manifest(path) for path in sorted((FOLDER / folder).glob("*.yaml"))]
    if not found:
        raise FileNotFoundError(f"no manifest in {FOLDER / folder}")
    return found


def good(name: str) -> dict[str, Any]:
    """The object of one good manifest."""
    return Manifest(FOLDER / "good" / f"{name}.yaml").body


GOOD = _manifests("good")
BAD = _manifests("bad")
