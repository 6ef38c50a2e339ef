"""Histograms: one gate at every edge between buckets, so that a shift is seen wherever it happens.

What is beyond an edge is bad there, and an edge is judged like any other gate. Together they are one gate with the
margins of each: harmless means within tolerance at every edge. As evidence of harm the mean of the edges' e-values
counts, which is an e-value however much the edges share (Vovk and Wang 2021); so each edge carries an equal part of the
gate's weight. Safe is what is safe at every edge, as for several gates. Hence nothing new is to be kept or proved.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.gate import GatePolicy


def at_edges(policy: GatePolicy, edges: int) -> tuple[GatePolicy, ...]:
    """The gates that stand for `policy` at so many edges; their names tell which."""
    if edges < 1:
        raise EvidenceError(f"Gate {policy.name}: a histogram needs two buckets at least.")
    return tuple(replace(policy, name=f"{policy.name}[{edge}]", weight=policy.weight / edges) for edge in range(edges))


def beyond(buckets: Sequence[float]) -> tuple[float, ...]:
    """How many are beyond each edge, of counts per bucket in ascending order, the last of which is the overflow."""
    return tuple(reversed(list(accumulate(reversed(buckets[1:])))))
