"""How much longer a gate needs until it is safe, if traffic and evidence go on as they are. A forecast, no guarantee.

Sums of bets grow in proportion to the data, so k times the data will show k times the sums: the smallest k that reaches
the line is what is needed. While the sums say nothing yet, the candidate is taken to be like the live version, and the
sums that are then to be expected are used: that is what a quiet service is told before its first hundred requests.
"""

from collections.abc import Sequence

from modelrollout.evidence import harm, safety
from modelrollout.evidence.agreement import AgreementEvidence, AgreementPolicy, phi_of
from modelrollout.evidence.counts import Counts, Interval
from modelrollout.evidence.gate import GateEvidence, GatePolicy
from modelrollout.evidence.kinds import Evidence, Policy, safety_sums
from modelrollout.evidence.limit import LimitEvidence
from modelrollout.evidence.logs import log_mean
from modelrollout.evidence.mean import MeanEvidence, MeanPolicy
from modelrollout.evidence.shape import ShapeEvidence, ShapePolicy

Counted = GateEvidence | ShapeEvidence | AgreementEvidence
CountedPolicy = GatePolicy | ShapePolicy | AgreementPolicy

_LONGEST = 1e9
_PRECISION = 1e-3


def requests_left(evidence: Counted, policy: CountedPolicy, *, threshold: float, split: float) -> float | None:
    """Requests of the candidate, or pairs, that are still needed; None if it will never do, as things are.

    `split` is the candidate's requests for each one of the live version, or the pairs for each noise pair, where none
    of either have been seen.
    """
    match evidence:
        case GateEvidence():
            candidate, stable, phi = evidence.candidate, evidence.history + evidence.stable, evidence.phi
            seen = evidence.candidate.total / evidence.stable.total if evidence.stable.total else split
        case ShapeEvidence():
            candidate = Counts(evidence.candidate_total)
            stable, phi = Counts(1.0, 0.5), evidence.phi  # the middle of what is spread varies most
            seen = evidence.candidate_total / evidence.stable_total if evidence.stable_total else split
        case AgreementEvidence():
            candidate, stable, phi = evidence.pairs, evidence.history + evidence.noise, phi_of(evidence)
            seen = evidence.pairs.total / evidence.noise.total if evidence.noise.total else split
    sums = safety_sums(evidence, policy)
    if log_mean(sums) >= threshold:
        return 0.0
    if candidate.total > 0 and max(sums) > 0:
        factor = _factor(sums, threshold)
        return None if factor is None else (factor - 1) * candidate.total
    needed = _factor(_expected(policy, rate=harm.guess_rate(stable), split=seen or split, phi=phi), threshold)
    # Whoever has seen as much as that, and has earned nothing, is not like the live version.
    return needed - candidate.total if needed is not None and needed > candidate.total else None


def blocks_left(evidence: MeanEvidence, *, threshold: float) -> float | None:
    """Blocks of a gauge that are still needed; None if it is not known yet, or will never do as things are."""
    sums = evidence.safety_logs
    if log_mean(sums) >= threshold:
        return 0.0
    if not evidence.blocks or max(sums) <= 0:
        return None
    factor = _factor(sums, threshold)
    return None if factor is None else (factor - 1) * evidence.blocks


def seconds_left(
    evidence: Evidence, policy: Policy, *, threshold: float, per_second: float, split: float
) -> float | None:
    """`per_second` is how many requests (or minutes of pods, or pairs) there are of the candidate."""
    match evidence, policy:
        case LimitEvidence(), _:
            return 0.0
        case MeanEvidence(), MeanPolicy():
            blocks = blocks_left(evidence, threshold=threshold)
            return None if blocks is None else blocks * policy.block_seconds
        case (
            (GateEvidence() | ShapeEvidence() | AgreementEvidence()),
            (GatePolicy() | ShapePolicy() | AgreementPolicy()),
        ):
            requests = requests_left(evidence, policy, threshold=threshold, split=split)
            if requests is None or (requests > 0 and per_second <= 0):
                return None
            return requests / per_second if requests else 0.0
        case _:
            return None


def _expected(policy: CountedPolicy, *, rate: float, split: float, phi: float) -> tuple[float, ...]:
    """ln of each safety bet's factor for one request of the candidate, were it as the live version is."""
    one = Interval(candidate=Counts(1.0, rate), stable=Counts(1 / split, rate / split))
    ratio, excess = (
        (1.0, policy.beyond) if isinstance(policy, AgreementPolicy) else (policy.ratio, policy.promote_within)
    )
    return tuple(
        (constant + slope * excess) / phi
        for constant, slope in (safety.log_factor(bet, ratio=ratio, interval=one) for bet in safety.BETS)
    )


def _factor(sums: Sequence[float], threshold: float) -> float | None:
    """The smallest k at which k times the sums reach the line."""
    if max(sums) <= 0:
        return None
    low, high = 0.0, 1.0
    while log_mean(high * value for value in sums) < threshold:
        low, high = high, 2 * high
        if high > _LONGEST:
            return None
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if log_mean(middle * value for value in sums) < threshold else (low, middle)
    return high
