"""Laws of phi for any history."""

import math
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.evidence import Counts
from modelrollout.evidence.dispersion import PRIOR, dispersion

History = list[Mapping[str, Counts]]


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    total = draw(st.integers(0, 3000))
    return Counts(total, float(round(total * draw(st.sampled_from([0.0, 0.0, 0.001, 0.01, 0.3, 1.0])))))


histories = st.lists(st.dictionaries(st.sampled_from("abcde"), counts()), max_size=70)


@given(histories)
@settings(deadline=None, max_examples=200)
def test_phi_is_a_number_from_one_on_and_the_prior_where_history_is_short(history: History) -> None:
    found = dispersion(history)
    assert math.isfinite(found.phi)
    assert found.phi >= 1
    assert found.reason is None or found.phi == PRIOR
    assert found.history.total == sum(pod.total for interval in history for pod in interval.values())
    assert found.history.bad == sum(pod.bad for interval in history for pod in interval.values())


@given(histories, st.permutations("abcde"), st.randoms())
@settings(deadline=None, max_examples=100)
def test_what_pods_are_called_and_their_order_do_not_matter(
    history: History, names: list[str], shuffler: random.Random
) -> None:
    renamed: History = []
    for interval in history:
        pods = [(names["abcde".index(pod)], counts) for pod, counts in interval.items()]
        shuffler.shuffle(pods)
        renamed.append(dict(pods))
    assert dispersion(renamed).phi == pytest.approx(dispersion(history).phi, rel=1e-9)


@given(histories)
@settings(deadline=None, max_examples=100)
def test_pods_without_requests_do_not_matter(history: History) -> None:
    padded = [{**interval, "idle": Counts()} for interval in history]
    known, other = dispersion(history), dispersion(padded)
    assert other.blocks == known.blocks


@given(st.lists(st.floats(0, 0.5), min_size=32, max_size=64), st.integers(2, 8))
@settings(deadline=None, max_examples=100)
def test_shocks_that_all_pods_share_leave_no_trace(rates: list[float], pods: int) -> None:
    history = [{str(pod): Counts(1000, 1000 * rate) for pod in range(pods)} for rate in rates]
    assert dispersion(history).phi <= PRIOR


@given(histories.filter(len), st.integers(2, 50))
@settings(deadline=None, max_examples=100)
def test_requests_that_fail_in_groups_raise_phi_by_the_size_of_the_groups(history: History, size: int) -> None:
    """Each request in place of one becomes a group that fails or works together."""
    grouped = [{pod: Counts(size * one.total, size * one.bad) for pod, one in row.items()} for row in history]
    for block, other in zip(dispersion(history).blocks, dispersion(grouped).blocks, strict=True):
        assert other.informative == block.informative
        assert other.observed == pytest.approx(size**2 * block.observed, rel=1e-6, abs=1e-6)
        assert other.expected == pytest.approx(size * block.expected, rel=1e-6, abs=1e-6)
