"""Evidence from pairs of answers to the same request: does the candidate differ from the live version, and by more than
the live version differs from itself?

Each sampled request is answered by both: n pairs, x of them disagree, at a rate p. For a share of them the live
version is asked twice: m noise pairs, y of them disagree, at a rate f, the noise floor (sampling, clocks, rounding). A
candidate that is the live version once more has p = f, whatever f is. The line is `beyond` = 1 - target:

    harm: the null is p <= f + beyond        safety: the null is p >= f + beyond

f is free, and may differ from interval to interval. There is one line and no margin above it: a candidate on the line
itself reaches neither end, which holds, and time or a person decides.

**One interval of harm.** A bet R > 1 as in `harm`, with r = n / m, A = (R - 1) / (1 + r R), g a guess of f made before
the interval, q = g + beyond, and a number u in (0, 1), below. A request has D = 1 if its pair disagrees and N = 1 if
its noise pair does, and one live answer is part of both: they are dependent, in either direction. But for zeros and
ones

    (1 + A)^D (1 - u)^N  =  1 + A D - u N - A u D N  <=  1 + A D - u N,

so a request with both has expectation 1 + p A - f u at most, however D and N hang together, and one with a pair alone
1 + p A. With independent requests, k = min(n, m) of them with both (more of them only raise the bound),

    ln L = x ln(1 + A) + y ln(1 - u) - F,    F = sup over f of  (n - k) ln(1 + (f + beyond) A)
                                                 + k ln(1 + (f + beyond) A - f u) + (m - k) ln(1 - f u).

The sum is concave in f, so its tangent at g bounds it: F is its value at g plus what the tangent gains on the way to
the worse end of [0, 1 - beyond]. u = r A / (1 + (r - 1) A g / (1 + q A)) makes the tangent flat where every noise pair
belongs to a pair (m <= n); elsewhere u = r A, which is below 1 as well. Hence E[L] <= 1 for every f, and any g.

**Safety** is the bet of `safety` with ratio 1: there a falls and b rises, (1 - D (1 - a)) (1 + N (b - 1)) is at most
1 - D (1 - a) + N (b - 1), and from there its proof goes on as it stands.

**Requests that come together** (a client that repeats one, a batch of one kind) are a matter of phi, which is learnt on
the way, see `bursts`. What is asked often counts often: agreement is that of the traffic, not of the set of inputs.

**Noise pairs limit what can be known.** f could always be a little above what m pairs show, so harm takes about
ln(1/falseRollback) / (p - beyond) noise pairs, however many pairs there are; safety does not wait for them.

**Found is found.** `peak` is the most that harm ever showed: a disagreement that reached the line stays one until a
person has looked at it, or evidence starts again.
"""

import math
from dataclasses import dataclass, field, replace

from modelrollout.evidence import demands, harm, record, safety
from modelrollout.evidence.bursts import ROW, Bursts
from modelrollout.evidence.counts import Counts, Interval
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.logs import log, log_add, log_mean

KIND = "Agreement"
_LEAST_PAIRS = 1e-6
_NONE = Counts()
_EMPTY = Interval(candidate=_NONE, stable=_NONE)
_NOTHING = (-math.inf,) * len(harm.BETS)
_ZEROS = (0.0,) * len(safety.BETS)
_LENGTHS = 3
_KEYS = (
    "kind",
    "plannedIntervals",
    "intervals",
    "phi",
    "harmLogs",
    "safetyLogs",
    "safetySlopes",
    "pairs",
    "noise",
    "history",
    "pending",
    "bursts",
    "peak",
    "carried",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementPolicy:
    """`beyond` is how much disagreement above the noise floor is accepted, as a fraction of all pairs.

    `hold`: a disagreement waits for a person; it takes no part in the joint evidence that rolls back.
    """

    name: str
    beyond: float
    hold: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.beyond < 1:
            raise EvidenceError(
                f"Gate {self.name}: the disagreement that is accepted must lie between 0 and 1, not at {self.beyond}."
            )
        demands.weight(self.name, self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementEvidence:
    """What one gate has seen: `pairs` of live and candidate, `noise` pairs of the live version, each with those that
    disagree. Logs are divided by phi already; `phi` is the least that it may be. `carried` is as in `GateEvidence`.
    """

    planned_intervals: int
    phi: float = 1.0
    intervals: int = 0
    harm_logs: tuple[float, ...] = _NOTHING
    safety_logs: tuple[float, ...] = _ZEROS
    safety_slopes: tuple[float, ...] = _ZEROS
    pairs: Counts = _NONE
    noise: Counts = _NONE
    history: Counts = _NONE
    pending: Interval = _EMPTY
    bursts: Bursts = field(default_factory=Bursts)
    peak: float = 0.0
    carried: float | None = None

    def __post_init__(self) -> None:
        demands.intervals(planned=self.planned_intervals, phi=self.phi)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values; logs are rounded down, as those of `GateEvidence`."""
        return {
            "kind": KIND,
            "plannedIntervals": self.planned_intervals,
            "intervals": self.intervals,
            "phi": self.phi,
            "harmLogs": [record.floor(value) for value in self.harm_logs] if self.intervals else [],
            "safetyLogs": [record.floor(value) for value in self.safety_logs],
            "safetySlopes": [record.floor(value) for value in self.safety_slopes],
            "pairs": record.pair(self.pairs),
            "noise": record.pair(self.noise),
            "history": record.pair(self.history),
            "pending": [*record.pair(self.pending.candidate), *record.pair(self.pending.stable)],
            "bursts": [[record.short(value) for value in row] for row in self.bursts.rows()],
            "peak": record.floor(self.peak),
            "carried": None if self.carried is None else record.ceiling(self.carried),
        }

    @classmethod
    def from_dict(cls, stored: object) -> "AgreementEvidence":
        fields = record.check_keys(stored, keys=_KEYS)
        intervals = record.whole(fields["intervals"], field="intervals", least=0)
        stakes = len(harm.BETS) if intervals else 0
        pending = record.numbers(fields["pending"], field="pending", length=4)
        carried = fields["carried"]
        return cls(
            planned_intervals=record.whole(fields["plannedIntervals"], field="plannedIntervals", least=1),
            phi=record.number(fields["phi"], field="phi"),
            intervals=intervals,
            harm_logs=record.numbers(fields["harmLogs"], field="harmLogs", length=stakes) or _NOTHING,
            safety_logs=record.numbers(fields["safetyLogs"], field="safetyLogs", length=len(safety.BETS)),
            safety_slopes=record.numbers(fields["safetySlopes"], field="safetySlopes", length=len(safety.BETS)),
            pairs=record.counts(fields["pairs"], field="pairs"),
            noise=record.counts(fields["noise"], field="noise"),
            history=record.counts(fields["history"], field="history"),
            pending=Interval(candidate=Counts(*pending[:2]), stable=Counts(*pending[2:])),
            bursts=Bursts.of_rows(intervals, record.rows(fields["bursts"], field="bursts", rows=_LENGTHS, length=ROW)),
            peak=record.number(fields["peak"], field="peak"),
            carried=None if carried is None else record.number(carried, field="carried"),
        )


def start(*, planned_intervals: int, phi: float = 1.0) -> AgreementEvidence:
    return AgreementEvidence(planned_intervals=planned_intervals, phi=phi)


def update(evidence: AgreementEvidence, policy: AgreementPolicy, interval: Interval) -> AgreementEvidence:
    """Add one interval: pairs as its candidate, noise pairs as its stable arm; one that lacks either waits, as in
    `gate.update`.
    """
    merged = evidence.pending + interval
    if merged.candidate.total < _LEAST_PAIRS or merged.stable.total < _LEAST_PAIRS:
        return evidence if interval == _EMPTY else replace(evidence, pending=merged)
    intervals = evidence.intervals + 1
    stake = log(
        harm.invested(intervals, planned=evidence.planned_intervals)
        - harm.invested(evidence.intervals, planned=evidence.planned_intervals)
    )
    phi = phi_of(evidence)
    guess = harm.guess_rate(evidence.history + evidence.noise)
    factors = [safety.log_factor(bet, ratio=1.0, interval=merged) for bet in safety.BETS]
    added = replace(
        evidence,
        intervals=intervals,
        harm_logs=tuple(
            log_add(kept, stake) + log_factor(bet, beyond=policy.beyond, guess=guess, interval=merged) / phi
            for bet, kept in zip(harm.BETS, evidence.harm_logs, strict=True)
        ),
        safety_logs=tuple(kept + new / phi for kept, (new, _) in zip(evidence.safety_logs, factors, strict=True)),
        safety_slopes=tuple(kept + new / phi for kept, (_, new) in zip(evidence.safety_slopes, factors, strict=True)),
        pairs=evidence.pairs + merged.candidate,
        noise=evidence.noise + merged.stable,
        pending=_EMPTY,
        bursts=evidence.bursts.add(merged.candidate),
    )
    shown = log_harm(added)
    known_before = evidence.carried is not None and shown <= evidence.carried
    return added if known_before else replace(added, peak=max(evidence.peak, shown))


def log_factor(bet: float, *, beyond: float, guess: float, interval: Interval) -> float:
    """ln L of one interval for one bet on harm; needs pairs and noise pairs."""
    pairs, noise = interval.candidate, interval.stable
    odds = pairs.total / noise.total
    gain = (bet - 1) / (1 + odds * bet)
    guess = min(guess, 1 - beyond)
    allowed = 1 + (guess + beyond) * gain
    loss = odds * gain / (1 + max(0.0, odds - 1) * gain * guess / allowed)
    both = min(pairs.total, noise.total)
    alone, unpaired = pairs.total - both, noise.total - both
    shared, floor = allowed - guess * loss, 1 - guess * loss
    at_guess = alone * math.log(allowed) + both * math.log(shared) + unpaired * math.log(floor)
    slope = alone * gain / allowed + both * (gain - loss) / shared - unpaired * loss / floor
    worst = at_guess + max(slope * (1 - beyond - guess), -slope * guess)
    return pairs.bad * math.log1p(gain) + noise.bad * math.log1p(-loss) - worst


def phi_of(evidence: AgreementEvidence) -> float:
    """What the next interval's evidence is divided by."""
    return max(evidence.phi, evidence.bursts.phi)


def discard_pending(evidence: AgreementEvidence) -> AgreementEvidence:
    return replace(evidence, pending=_EMPTY)


def retried(evidence: AgreementEvidence) -> AgreementEvidence:
    """As `gate.retried`: the stakes stay, safety is earned anew, and a disagreement has to show itself again."""
    return replace(
        evidence,
        safety_logs=_ZEROS,
        safety_slopes=_ZEROS,
        pairs=_NONE,
        noise=_NONE,
        history=evidence.history + evidence.noise,
        pending=_EMPTY,
        peak=0.0,
        carried=log_harm(evidence),
    )


def log_harm(evidence: AgreementEvidence) -> float:
    rest = 1 - harm.invested(evidence.intervals, planned=evidence.planned_intervals)
    return log_add(log_mean(evidence.harm_logs), log(rest))


def safety_sums(evidence: AgreementEvidence, policy: AgreementPolicy) -> tuple[float, ...]:
    """ln E_safe of each bet by itself."""
    return safety.sums_at(policy.beyond, constants=evidence.safety_logs, slopes=evidence.safety_slopes)


def upper_bound(evidence: AgreementEvidence, *, false_promotion: float) -> float:
    """Upper bound of the disagreement beyond the noise floor, good at all looks together."""
    return safety.upper_bound(
        constants=evidence.safety_logs, slopes=evidence.safety_slopes, false_promotion=false_promotion
    )
