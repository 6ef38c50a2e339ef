"""Evidence from an unbounded mean: a gauge of the candidate against the same gauge of the live version.

Nothing bounds such numbers, so nothing can be concluded from their size alone, and readings a few seconds apart are
nearly the same reading. Both are answered by blocks: D_k is the mean difference (candidate minus live) over a block of
some minutes, long against the time in which the gauge forgets, so that the blocks' errors are as good as independent
and, being differences of means, as likely above as below their centre.

**Harm.** The null: the centre of each D_k is at most `tolerate`, and D_k lies symmetrically about it, given the past.
With y = D_k - tolerate and a bet b > 0 in units of the scale s the stake is multiplied by

    L = 1 + tanh(b y / s) = exp(b y / s) / cosh(b y / s)

On the edge of the null y is symmetric about 0, and L(y) + L(-y) = 2, so E[L] = 1 exactly, for any variance, with heavy
tails or without a mean at all. L grows with y, so a centre below the edge only lowers it. This is the bet behind de la
Peña's (1999) exp(b y / s - (b y / s)^2 / 2), which follows by cosh(x) <= exp(x^2 / 2): ours is never smaller. One block
gains at most ln 2, so a hundred to one needs seven blocks at the least; that is what not knowing the variance costs.

**Scale.** s is set from the first three blocks, which are not bet on; any s that is fixed before the block will do.
**Safety.** The same with y = promote_within - D_k, against "the centre is at least promote_within".

What it rests on: blocks that are long enough (six times the correlation time and more). With an AR(1) coefficient of
0.5 per half a minute, three minutes are (`tests/property/evidence/test_mean.py`).
"""

import math
import statistics
from dataclasses import dataclass, replace

from modelrollout.evidence import demands, harm, record
from modelrollout.evidence.errors import EvidenceError
from modelrollout.evidence.logs import log, log_add, log_mean

KIND = "Mean"
BETS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""In units of the scale; each gets an equal share of the stake."""

SCALE_BLOCKS = 3
_LEAST_SCALE = 0.05  # of the distance between the two margins: a gauge that stands still is no reason for infinite bets
_ZEROS = (0.0,) * len(BETS)
_KEYS = (
    "kind",
    "plannedBlocks",
    "blocks",
    "first",
    "scale",
    "harmLogs",
    "safetyLogs",
    "means",
    "open",
    "carried",
)


@dataclass(frozen=True, slots=True)
class Levels:
    """The gauge in both arms at one time, in seconds of the Unix clock."""

    candidate: float
    stable: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPolicy:
    """Margins in the gauge's own unit, on candidate minus live; the other way round where lower is worse."""

    name: str
    tolerate: float
    promote_within: float
    lower_is_worse: bool = False
    block_seconds: float = 180.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        demands.margins(self.name, tolerate=self.tolerate, promote_within=self.promote_within)
        if not (math.isfinite(self.block_seconds) and self.block_seconds > 0):
            raise EvidenceError(f"Gate {self.name}: a block must be longer than 0 s, not {self.block_seconds} s.")
        demands.weight(self.name, self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block that is not over: its number, readings so far, and their sums."""

    number: int
    readings: int = 0
    candidate: float = 0.0
    stable: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanEvidence:
    """What one gate has seen. `blocks` counts those that were bet on; `means` are of all blocks that are over."""

    planned_blocks: int
    blocks: int = 0
    first: tuple[float, ...] = ()
    scale: float = 0.0
    harm_logs: tuple[float, ...] = (-math.inf,) * len(BETS)
    safety_logs: tuple[float, ...] = _ZEROS
    candidate: float = 0.0
    stable: float = 0.0
    open: Block | None = None
    carried: float | None = None

    def __post_init__(self) -> None:
        if self.planned_blocks < 1:
            raise EvidenceError(f"At least one block must be planned, not {self.planned_blocks}.")

    def to_dict(self) -> dict[str, object]:
        block = self.open
        return {
            "kind": KIND,
            "plannedBlocks": self.planned_blocks,
            "blocks": self.blocks,
            "first": list(self.first),
            "scale": self.scale,
            "harmLogs": [record.floor(value) for value in self.harm_logs] if self.blocks else [],
            "safetyLogs": [record.floor(value) for value in self.safety_logs],
            "means": [self.candidate, self.stable],
            "open": [block.number, block.readings, block.candidate, block.stable] if block else [],
            "carried": None if self.carried is None else record.ceiling(self.carried),
        }

    @classmethod
    def from_dict(cls, stored: object) -> "MeanEvidence":
        fields = record.check_keys(stored, keys=_KEYS)
        blocks = record.whole(fields["blocks"], field="blocks", least=0)
        first = record.some_numbers(fields["first"], field="first", most=SCALE_BLOCKS)
        logs = record.numbers(fields["harmLogs"], field="harmLogs", length=len(BETS) if blocks else 0)
        means = record.numbers(fields["means"], field="means", length=2)
        block = record.some_numbers(fields["open"], field="open", most=4)
        carried = fields["carried"]
        if len(block) not in (0, 4):
            raise EvidenceError("Stored evidence must have four numbers or none as open.")
        return cls(
            planned_blocks=record.whole(fields["plannedBlocks"], field="plannedBlocks", least=1),
            blocks=blocks,
            first=first,
            scale=record.number(fields["scale"], field="scale"),
            harm_logs=logs or (-math.inf,) * len(BETS),
            safety_logs=record.numbers(fields["safetyLogs"], field="safetyLogs", length=len(BETS)),
            candidate=means[0],
            stable=means[1],
            open=Block(number=int(block[0]), readings=int(block[1]), candidate=block[2], stable=block[3])
            if block
            else None,
            carried=None if carried is None else record.number(carried, field="carried"),
        )

    @property
    def closed(self) -> int:
        """Blocks that are over, those that set the scale included."""
        return self.blocks + len(self.first)


def start(policy: MeanPolicy, *, planned_seconds: float) -> MeanEvidence:
    return MeanEvidence(planned_blocks=max(1, round(planned_seconds / policy.block_seconds)))


def update(evidence: MeanEvidence, policy: MeanPolicy, levels: Levels) -> MeanEvidence:
    """Add one reading. Blocks lie on whole multiples of their length, so a restart finds the same ones."""
    if not all(math.isfinite(number) for number in (levels.candidate, levels.stable, levels.at)):
        return evidence
    number = math.floor(levels.at / policy.block_seconds)
    if evidence.open is not None and number < evidence.open.number:
        return evidence  # an answer about a block that is over
    if evidence.open is not None and number > evidence.open.number:
        evidence = _close(evidence, policy, evidence.open)
    block = evidence.open or Block(number=number)
    grown = replace(
        block,
        readings=block.readings + 1,
        candidate=block.candidate + levels.candidate,
        stable=block.stable + levels.stable,
    )
    return replace(evidence, open=grown)


def _close(evidence: MeanEvidence, policy: MeanPolicy, block: Block) -> MeanEvidence:
    candidate, stable = block.candidate / block.readings, block.stable / block.readings
    excess = stable - candidate if policy.lower_is_worse else candidate - stable
    closed = evidence.closed
    shown = replace(
        evidence,
        open=None,
        candidate=evidence.candidate + (candidate - evidence.candidate) / (closed + 1),
        stable=evidence.stable + (stable - evidence.stable) / (closed + 1),
    )
    if len(evidence.first) < SCALE_BLOCKS:
        first = (*evidence.first, excess)
        return replace(shown, first=first, scale=_scale(policy, first) if len(first) == SCALE_BLOCKS else 0.0)
    stake = log(
        harm.invested(evidence.blocks + 1, planned=evidence.planned_blocks)
        - harm.invested(evidence.blocks, planned=evidence.planned_blocks)
    )
    return replace(
        shown,
        blocks=evidence.blocks + 1,
        harm_logs=tuple(
            log_add(kept, stake) + log_factor(bet, (excess - policy.tolerate) / evidence.scale)
            for bet, kept in zip(BETS, evidence.harm_logs, strict=True)
        ),
        safety_logs=tuple(
            kept + log_factor(bet, (policy.promote_within - excess) / evidence.scale)
            for bet, kept in zip(BETS, evidence.safety_logs, strict=True)
        ),
    )


def _scale(policy: MeanPolicy, first: tuple[float, ...]) -> float:
    return max(statistics.stdev(first), _LEAST_SCALE * (policy.promote_within - policy.tolerate))


def log_factor(bet: float, scaled: float) -> float:
    """ln(1 + tanh(bet * scaled)), without overflow at either end."""
    twice = 2 * bet * scaled
    return math.log(2) - (math.log1p(math.exp(-twice)) if twice > 0 else math.log1p(math.exp(twice)) - twice)


def retried(evidence: MeanEvidence) -> MeanEvidence:
    return replace(evidence, safety_logs=_ZEROS, open=None, carried=log_harm(evidence))


def log_harm(evidence: MeanEvidence) -> float:
    rest = 1 - harm.invested(evidence.blocks, planned=evidence.planned_blocks)
    return log_add(log_mean(evidence.harm_logs), log(rest))


def log_safety(evidence: MeanEvidence) -> float:
    return log_mean(evidence.safety_logs)
