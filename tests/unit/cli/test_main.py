"""The command itself: help, unknown verbs, and how little it loads."""

import subprocess
import sys

import pytest

from modelrollout.cli.main import VERBS, main

HEAVY = ("kopf", "kubernetes", "pydantic", "yaml", "matplotlib", "numpy", "aiohttp", "requests", "asyncio")


@pytest.mark.parametrize("words", [[], ["--help"], ["help"]])
def test_without_a_verb_there_is_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: kubectl model VERB")
    assert "simulate" in out


def test_an_unknown_verb_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simluate"]) == 2
    assert capsys.readouterr().err == f"kubectl-model: there is no verb 'simluate'; there is {', '.join(VERBS)}.\n"


@pytest.mark.parametrize("words", [["--help"], ["simulate", "--help"]])
def test_help_loads_next_to_nothing(words: list[str]) -> None:
    code = (
        "import sys\nfrom modelrollout.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stderr == "[]\n"
    assert "usage: kubectl model" in ended.stdout


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """As `kubectl model | head -1` does: the pipe is closed before anything is written."""
    code = "import sys, time; from modelrollout.cli.main import main; time.sleep(0.5); sys.exit(main([]))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.stderr.read() == b""
        assert started.wait(timeout=60) == 0
