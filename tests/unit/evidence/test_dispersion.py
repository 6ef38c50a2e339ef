"""phi from the stable pods against each other: what it sees, what it does not, and when it is only the prior."""

import itertools
from collections.abc import Mapping, Sequence

import pytest

from modelrollout.evidence import Counts
from modelrollout.evidence.dispersion import LEAST_INTERVALS, PRIOR, StableHistory, dispersion

ALIKE = {"a": Counts(1000, 10), "b": Counts(1000, 10), "c": Counts(1000, 10)}


def history(*intervals: Mapping[str, Counts], times: int = 32) -> Sequence[Mapping[str, Counts]]:
    return list(itertools.islice(itertools.cycle(intervals), times))


def test_pods_that_do_not_differ_give_one() -> None:
    found = dispersion(history(ALIKE, times=320))
    assert found.phi == 1.0
    assert found.reason is None
    assert (found.pods, found.intervals, found.history) == (3, 320, Counts(960_000, 9_600))


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [
        ([], "there is no history of the stable pods"),
        (history({"a": Counts(1000, 10)}), "the history has fewer than two stable pods to compare"),
        (history(ALIKE, times=LEAST_INTERVALS - 1), "the history has 15 intervals, and 16 are needed"),
        (
            history(*[{"a": Counts(100), "b": Counts(100)}] * 15, {"a": Counts(100, 1), "b": Counts(100)}, times=16),
            "the history has 1 bad requests, and 2 are needed",
        ),
        (history({"a": Counts(), "b": Counts()}), "the history has 0 bad requests, and 2 are needed"),
    ],
)
def test_too_little_history_gives_the_prior_and_says_why(
    intervals: Sequence[Mapping[str, Counts]], reason: str
) -> None:
    found = dispersion(intervals)
    assert found.phi == PRIOR
    assert found.reason == reason
    assert str(found) == f"phi 1.5 by default: {reason}"


def test_one_block_by_hand() -> None:
    """Two pods, 100 requests each, 4 and 0 bad: 2 expected each, off by 2, variance 2 * 0.98 * 0.5 each."""
    [block, *_] = dispersion([{"a": Counts(100, 4), "b": Counts(100, 0)}]).blocks
    assert (block.intervals_per_block, block.informative) == (1, 1)
    assert block.observed == pytest.approx(8.0)
    assert block.expected == pytest.approx(1.96)
    assert block.phi == pytest.approx(8 / 1.96)


def test_few_blocks_are_drawn_up_to_the_prior_and_not_down() -> None:
    quiet, *_ = dispersion([{"a": Counts(100, 2), "b": Counts(100, 2)}] * 3).blocks
    assert quiet.phi == pytest.approx((3 * 0 + 5 * 1.5) / (3 + 5))
    loud, *_ = dispersion([{"a": Counts(100, 9), "b": Counts(100, 0)}] * 3).blocks
    assert loud.phi == pytest.approx(2 * 4.5**2 / (2 * 4.5 * 0.955 * 0.5))


def test_a_burst_weighs_as_much_as_it_has_requests() -> None:
    """Blocks with one error always give one, whatever is so; they must not hide the burst of nine."""
    single = {f"pod-{number}": Counts(1000, 1.0 if number == 0 else 0.0) for number in range(9)}
    burst = {f"pod-{number}": Counts(1000, 9.0 if number == 4 else 0.0) for number in range(9)}
    [ones, *_] = dispersion(history(single)).blocks
    [mixed, *_] = dispersion(history(single, burst)).blocks
    assert ones.observed / ones.expected == pytest.approx(1.0, rel=0.01)
    assert mixed.observed / mixed.expected == pytest.approx((9 * 9 + 1) / (9 + 1), rel=0.01)


def test_what_hits_all_pods_at_once_is_not_dispersion() -> None:
    outage = {pod: Counts(1000, 500) for pod in ALIKE}
    assert dispersion(history(ALIKE, outage, times=320)).phi == 1.0


def test_what_lasts_is_seen_in_long_blocks() -> None:
    """A pod that is a little worse for sixteen intervals and then a little better."""
    worse, better = Counts(1000, 14), Counts(1000, 6)
    usual = {f"pod-{number}": Counts(1000, 10) for number in range(3)}
    swing = [*[{**usual, "x": worse}] * 16, *[{**usual, "x": better}] * 16]
    blocks = dispersion(swing * 10).blocks
    assert [block.intervals_per_block for block in blocks] == [1, 4, 16]
    assert blocks[0].phi < blocks[1].phi < blocks[2].phi
    assert dispersion(swing * 10).phi == blocks[2].phi > 5


def test_a_pod_may_come_and_go() -> None:
    changing = history(ALIKE, {"b": Counts(1000, 10), "d": Counts(500, 5)}, {}, times=320)
    assert dispersion(changing).phi == 1.0
    assert dispersion(changing).pods == 4


def test_when_all_requests_fail_nothing_is_learnt() -> None:
    assert dispersion(history({"a": Counts(10, 10), "b": Counts(10, 10)})).blocks[0].informative == 0


def test_a_history_that_is_taken_in_piece_by_piece_is_the_same() -> None:
    intervals = history(ALIKE, {"a": Counts(1000, 30), "b": Counts(900, 2)}, times=70)
    taken = StableHistory()
    for interval in intervals:
        taken.add(interval)
        assert taken.dispersion().phi >= 1
    assert taken.dispersion() == dispersion(intervals)


def test_it_can_be_shown() -> None:
    assert str(dispersion(history(ALIKE))) == "phi 1.07 from 32 intervals of 3 pods with 960 bad of 96000 requests"
