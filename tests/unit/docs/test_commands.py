"""Every command that a page shows is run by a test, as it stands there, or stands below with the reason why not."""

import ast
import importlib
import re
from collections.abc import Iterator

import pytest

from modelrollout.cli.main import VERBS
from tests.pages import PAGES, ROOT, Block, blocks, commands

NOT_RUN = {
    ("README.md", "make demo"): "takes the cluster for minutes to show what tests/e2e asserts",
    ("README.md", "make test"): "runs this test among all others",
}
PICTURES = {
    ("README.md", "────────────────────────────── v2: a better model"),
    ("docs/concepts.md", " install ─► live ─► shadow"),
}
"""Blocks without a command: page, and how they begin."""


def read_by_tests() -> Iterator[tuple[str, str, str]]:
    """Page, beginning of a command, and the file of tests that reads it with `tests.pages`."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.name in ("pages.py", "test_commands.py") or "pages" not in (text := path.read_text()):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and _name(node.func) in ("command", "commands"):
                words = [one.value for one in node.args if isinstance(one, ast.Constant)]
                for beginning in words[1:]:
                    yield str(words[0]), str(beginning), str(path.relative_to(ROOT))


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


READ = list(read_by_tests())


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_run_by_a_test(page: str) -> None:
    known = [beginning for where, beginning, _ in READ if where == page]
    known += [beginning for where, beginning in NOT_RUN if where == page]
    missing = [
        f"{page}:{block.line}: {shown}"
        for block in blocks(page)
        for shown in block.commands
        if not shown.startswith(tuple(known))
    ]
    assert not missing, "run it in a test, which reads it with tests.pages.command:\n" + "\n".join(missing)


@pytest.mark.parametrize(("page", "beginning", "file"), READ)
def test_what_a_test_reads_is_on_the_page(page: str, beginning: str, file: str) -> None:
    assert commands(page, beginning), file


@pytest.mark.parametrize(("page", "beginning"), NOT_RUN)
def test_what_is_not_run_is_on_the_page_and_run_by_nobody(page: str, beginning: str) -> None:
    assert commands(page, beginning)
    assert (page, beginning) not in {(where, what) for where, what, _ in READ}


def test_every_block_without_a_command_is_a_picture() -> None:
    others = [block for page in PAGES for block in blocks(page) if not block.commands]
    unknown = [block for block in others if not _is_picture(block)]
    assert [(block.page, block.line) for block in unknown] == []
    assert len(others) == len(PICTURES)


def _is_picture(block: Block) -> bool:
    return any(block.page == page and block.text.startswith(beginning) for page, beginning in PICTURES)


def test_every_verb_and_flag_of_ours_that_a_page_names_is_there() -> None:
    """In the sentences too, where no test runs them."""
    for page in PAGES:
        for told in re.findall(r"`kubectl model ([^`]+)`", (ROOT / page).read_text()):
            verbs, *words = told.split()
            flags = {word.partition("=")[0] for word in words if word.startswith("--")}
            for verb in verbs.split("|"):
                assert verb in VERBS, f"{page}: kubectl model {told}"
                shown = importlib.import_module(f"modelrollout.cli.{verb}").parser().format_help()
                assert all(flag in shown for flag in flags) or verb == "contract", f"{page}: kubectl model {told}"


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    made = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z0-9-]+)", (ROOT / page).read_text(), re.M)
    }
    assert named
    assert named <= made
