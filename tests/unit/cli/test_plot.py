"""Pictures: that there is one, of the run that was asked for."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.cli.test_simulate import ONLY_LATENCY, SLOW_IN_THE_MIDDLE, histogram
from tests.unit.cli.traces import LATENCY, POLICY, Simulate, bad, good, past, row


def colours(path: Path) -> set[object]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return {colour for _, colour in image.convert("RGB").getcolors(maxcolors=1 << 20) or ()}


def test_the_first_run_or_the_one_that_is_named(simulate: Simulate, tmp_path: Path) -> None:
    rows = [*past(run="good"), *good(run="good"), *bad(run="bad")]
    first, named, again = (tmp_path / name for name in ("first.png", "named.png", "again.png"))
    simulate(rows, POLICY, "--plot", str(first))
    simulate(rows, POLICY, "--plot", str(named), "--run", "bad")
    simulate(rows, POLICY, "--plot", str(again), "--run", "good")
    assert first.read_bytes() == again.read_bytes() != named.read_bytes()
    assert (0xD9, 0x73, 0x0D) in colours(named)  # the candidate's line


def test_histograms_and_several_gates(simulate: Simulate, tmp_path: Path) -> None:
    simulate(
        [histogram(30 * i, SLOW_IN_THE_MIDDLE) for i in range(1, 9)], ONLY_LATENCY, "--plot", str(tmp_path / "1.png")
    )
    two = {**POLICY, "gates": [*POLICY["gates"], LATENCY]}
    rows = [row(30 * i, bad=10, gate=gate) for i in range(1, 9) for gate in ("errors", "latency")]
    simulate(rows, two, "--plot", str(tmp_path / "2.png"))
    assert len(colours(tmp_path / "1.png")) > 10
    assert len(colours(tmp_path / "2.png")) > 10


def test_a_gate_without_rows_can_be_drawn(simulate: Simulate, tmp_path: Path) -> None:
    code, _, _ = simulate.raw(
        bad(3), {**POLICY, "gates": [*POLICY["gates"], LATENCY]}, "--plot", str(tmp_path / "p.png")
    )
    assert code == 0
    assert len(colours(tmp_path / "p.png")) > 10


@pytest.mark.parametrize(
    ("rows", "more", "sentence"),
    [
        (good(3), ("--run", "other"), "There is no run other to draw."),
        (past(3), (), "Run a has no rows since the rollout began, so there is nothing to draw."),
    ],
)
def test_nothing_to_draw(
    simulate: Simulate, tmp_path: Path, rows: list[object], more: tuple[str, ...], sentence: str
) -> None:
    code, _, err = simulate.raw(rows, POLICY, "--plot", str(tmp_path / "p.png"), *more)
    assert code == 2
    assert sentence in err


def test_a_picture_that_cannot_be_written(simulate: Simulate, tmp_path: Path) -> None:
    code, _, err = simulate.raw(good(3), POLICY, "--plot", str(tmp_path / "none" / "p.png"))
    assert code == 2
    assert "cannot be written" in err


def test_without_matplotlib_it_says_what_to_install(
    simulate: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = simulate.raw(good(3), POLICY, "--plot", str(tmp_path / "p.png"))
    assert code == 2
    assert "needs matplotlib; install modelrollout-operator[plot]" in err
