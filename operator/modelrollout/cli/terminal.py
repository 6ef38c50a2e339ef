"""What is printed: tables that line up, colour for a terminal only, JSON and YAML for programs."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO


class Colour(StrEnum):
    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    BLUE = "34"


OF_STATES: Mapping[str, Colour] = {
    "Ready": Colour.GREEN,
    "Live": Colour.GREEN,
    "Pass": Colour.GREEN,
    "Progressing": Colour.BLUE,
    "Paused": Colour.YELLOW,
    "AwaitingReview": Colour.YELLOW,
    "Review": Colour.YELLOW,
    "NoData": Colour.YELLOW,
    "Unavailable": Colour.YELLOW,
    "Stalled": Colour.RED,
    "RolledBack": Colour.RED,
    "Rejected": Colour.RED,
    "Fail": Colour.RED,
}


class Terminal:
    """One stream. Without a terminal behind it there is neither colour nor a width that lines are cut to."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        errors: TextIO | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._stream = stream or sys.stdout
        self._errors = errors or sys.stderr
        self.interactive = self._stream.isatty() and environ.get("TERM") != "dumb"
        self._colours = self.interactive and not environ.get("NO_COLOR")

    def colour(self, text: str, colour: Colour | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours and colour is not None and text else text

    def state(self, text: str) -> str:
        return self.colour(text, OF_STATES.get(text.partition(" ")[0]))

    def line(self, text: str = "") -> None:
        print(text, file=self._stream)

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.line(line)

    def note(self, text: str) -> None:
        """Beside what is printed, so that it is in no pipe."""
        print(f"note: {text}", file=self._errors)

    def again(self) -> None:
        """The next picture takes the place of the last one."""
        if self.interactive:
            print("\x1b[H\x1b[2J\x1b[3J", end="", file=self._stream)

    def flush(self) -> None:
        self._stream.flush()

    @property
    def width(self) -> int | None:
        if not self.interactive:
            return None
        import shutil

        return shutil.get_terminal_size().columns

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, cut: bool = True) -> list[str]:
        """Columns that line up. Words for a state have their colour; `cut` cuts the last to the terminal's width."""
        every = [header, *rows]
        widths = [max(len(row[column]) for row in every) for column in range(len(header))]
        room = max(8, self.width - sum(width + 3 for width in widths[:-1])) if cut and self.width else None
        return [self._row(row, widths, room=room, bold=number == 0) for number, row in enumerate(every)]

    def _row(self, cells: Sequence[str], widths: Sequence[int], *, room: int | None, bold: bool) -> str:
        last = cells[-1]
        if room is not None and len(last) > room:
            last = last[: room - 1] + "…"
        padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)]
        shown = [self.colour(cell, Colour.BOLD) if bold else self.state(cell) for cell in (*padded, last)]
        return "   ".join(shown).rstrip()


def document(value: Any, form: str) -> str:
    """JSON or YAML."""
    if form == "yaml":
        import yaml

        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120).rstrip()
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)
