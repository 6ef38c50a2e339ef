"""Sums of numbers that are known by their natural logarithms, because e-values outgrow a float."""

import math
from collections.abc import Iterable


def log(value: float) -> float:
    """ln(value), with ln 0 = -inf."""
    return math.log(value) if value > 0 else -math.inf


def log_add(one: float, other: float) -> float:
    """ln(exp(one) + exp(other))."""
    larger, smaller = (one, other) if one >= other else (other, one)
    return larger if smaller == -math.inf else larger + math.log1p(math.exp(smaller - larger))


def log_sum(logs: Iterable[float]) -> float:
    """ln of the sum of exp(log); -inf for an empty sum."""
    terms = list(logs)
    largest = max(terms, default=-math.inf)
    if largest == -math.inf:
        return -math.inf
    return largest + math.log(sum(math.exp(term - largest) for term in terms))


def log_mean(logs: Iterable[float]) -> float:
    """ln of the mean of exp(log) of at least one term."""
    terms = list(logs)
    return log_sum(terms) - math.log(len(terms))
