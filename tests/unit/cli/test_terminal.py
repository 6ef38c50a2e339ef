"""What is printed into a terminal, and into a pipe."""

import io
import os

import pytest

from modelrollout.cli.terminal import Colour, Terminal, document


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "colours"),
    [
        (Screen(), {}, True),
        (Screen(), {"NO_COLOR": "1"}, False),
        (Screen(), {"NO_COLOR": ""}, True),
        (Screen(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream: io.StringIO, environ: dict[str, str], colours: bool) -> None:
    told = Terminal(stream, environ=environ).colour("Fail", Colour.RED)
    assert told == ("\x1b[31mFail\x1b[0m" if colours else "Fail")


def test_columns_line_up_whatever_colour_they_have() -> None:
    terminal = Terminal(Screen(), environ={})
    plain = Terminal(io.StringIO(), environ={})
    rows = [["Ready", "a"], ["RolledBack", "b"], ["odd", "c"]]
    coloured = terminal.table(("STATE", "X"), rows)
    assert [_bare(line) for line in coloured] == plain.table(("STATE", "X"), rows)
    assert coloured[2].startswith("\x1b[31mRolledBack")
    assert plain.table(("STATE", "X"), rows) == ["STATE        X", "Ready        a", "RolledBack   b", "odd          c"]


def _bare(text: str) -> str:
    import re

    return re.sub(r"\x1b\[\d+m", "", text)


def test_the_last_column_is_cut_to_a_terminal_and_never_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 10)))
    rows = [["one", "a sentence that is long"]]
    screen = Terminal(Screen(), environ={"NO_COLOR": "1"})
    assert screen.table(("A", "B"), rows)[1] == "one   a sentence th…"
    assert screen.table(("A", "B"), rows, cut=False)[1] == "one   a sentence that is long"
    assert Terminal(io.StringIO(), environ={}).table(("A", "B"), rows)[1] == "one   a sentence that is long"


def test_only_a_terminal_is_cleared() -> None:
    pipe, screen = io.StringIO(), Screen()
    Terminal(pipe, environ={}).again()
    Terminal(screen, environ={}).again()
    assert pipe.getvalue() == ""
    assert screen.getvalue().startswith("\x1b[H")


def test_documents() -> None:
    assert document({"b": "→", "a": 1}, "json") == '{\n  "b": "→",\n  "a": 1\n}'
    assert document({"b": "→", "a": 1}, "yaml") == "b: →\na: 1"
