"""All rules side by side: a name for the table, and when the rule rolls back."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from modelrollout.evidence.dispersion import Dispersion
from tests.bench.evidence import ours, rivals
from tests.bench.evidence.traffic import Arms, Traffic

Rule = Callable[[Traffic, Arms, Dispersion], int | None]

RULES: Mapping[str, Rule] = {
    "modelrollout": lambda _, arms, known: ours.first_rollback(arms, known),
    "the same, phi 1": lambda _, arms, known: ours.first_rollback(arms, replace(known, phi=1.0)),
    "threshold 5 %": lambda _, arms, __: rivals.fixed_threshold(arms, threshold=0.05),
    "threshold 2x base": lambda traffic, arms, _: rivals.fixed_threshold(arms, threshold=2 * traffic.base),
    "threshold 2x, 5 m": lambda traffic, arms, _: rivals.fixed_threshold(arms, threshold=2 * traffic.base, window=10),
    "failed checks": lambda _, arms, __: rivals.failed_checks(arms),
    "Mann-Whitney, 3 looks": lambda _, arms, __: rivals.mann_whitney(arms, looks=rivals.THREE_LOOKS),
    "Mann-Whitney, 12 looks": lambda _, arms, __: rivals.mann_whitney(arms, looks=rivals.TWELVE_LOOKS),
}
OURS = "modelrollout"
OUR_RULE = {OURS: RULES[OURS]}
