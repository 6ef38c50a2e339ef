"""The commands that README and docs/ show, as they stand there: tests run this text and repeat none of it.

    run(command("docs/data.md", "kubectl model contract check"))

`tests/unit/docs/test_commands.py` finds these calls and holds them against what the pages show, so that a command which
nobody runs is told of; both arguments are therefore written as literals.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
PROGRAMS = ("kubectl", "helm", "make", "pip", "python", "python3", "docker", "git", "curl", "uv", "sh", "scripts/")
_DATA = ("yaml", "json", "python", "promql")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences and is no data: commands, or a picture in letters."""

    page: str
    line: int
    text: str

    @property
    def commands(self) -> tuple[str, ...]:
        """One for each line of a shell; lines that end with a backslash go on."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        shown = [line.removeprefix("$ ") for line in lines]
        return tuple(line for line in shown if line.startswith(PROGRAMS))


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2])
        for found in _FENCE.finditer(text)
        if found[1] not in _DATA
    ]


def commands(page: str, *beginnings: str) -> list[str]:
    """Those of a page that begin with one of these, in the page's order; each must be there."""
    shown = [command for block in blocks(page) for command in block.commands]
    for beginning in beginnings:
        assert any(one.startswith(beginning) for one in shown), f"{page} shows no command {beginning!r}"
    return [one for one in shown if one.startswith(beginnings)]


def command(page: str, beginning: str) -> str:
    """The only one of a page that begins with this."""
    (found,) = set(commands(page, beginning))
    return found
