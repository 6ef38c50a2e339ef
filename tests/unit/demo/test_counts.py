"""Quantiles from buckets."""

import random

from demo.counts import Latencies, LatencyHistogram


def test_quantiles_are_right_to_five_percent() -> None:
    chance = random.Random(7)
    values = sorted(chance.lognormvariate(-5, 1) for _ in range(5000))
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(value)
    summary = histogram.summary()

    assert summary.count == len(values)
    assert summary.maximum == values[-1]
    for found, share in ((summary.p50, 0.5), (summary.p90, 0.9), (summary.p99, 0.99)):
        exact = values[round(share * len(values)) - 1]
        assert exact <= found <= exact * 1.06


def test_nothing_counted_is_all_zero() -> None:
    assert LatencyHistogram().summary() == Latencies()


def test_values_under_the_smallest_bucket_are_counted() -> None:
    histogram = LatencyHistogram()
    histogram.add(0.0)
    histogram.add(1e-9)
    assert histogram.summary().count == 2
    assert histogram.summary().maximum == 1e-9
