"""A picture of one run: what the evidence was at each look, and the lines that decide."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelrollout.api.gates import Gate
from modelrollout.cli.errors import CliError
from modelrollout.cli.policy import Policy
from modelrollout.cli.replay import Decision, Look
from modelrollout.evidence import Counts, GateVerdict
from modelrollout.evidence.dispersion import Dispersion

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HARM, _SAFETY, _CANDIDATE, _STABLE, _QUIET = "#b3261e", "#1b7f4d", "#d9730d", "#2c5c99", "#767676"
_GATES = ("#2c5c99", "#d9730d", "#6b4fa0", "#1b7f4d", "#8a6d1d", "#b3261e")
_LINE_STYLE = (0, (5, 3))


def draw(
    path: Path,
    policy: Policy,
    decision: Decision,
    looks: Sequence[Look],
    dispersions: Mapping[str, Sequence[Dispersion]],
) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CliError("--plot needs matplotlib; install modelrollout-operator[plot].") from error
    figure = Figure(figsize=(9, 10), layout="constrained")
    harm, safety, bound, rates = figure.subplots(4, 1, sharex=True)
    unit, times = _axis_of_time(looks)
    gates = policy.rollout.gates
    _draw_harm(harm, gates, looks, times)
    _draw_safety(safety, gates, looks, times)
    _draw_bound(bound, gates, looks, times)
    _draw_rates(rates, decision, looks, times)
    for panel in (harm, safety, bound, rates):
        panel.axvline(times[-1], color=_QUIET, linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.margins(x=0.02)
        panel.legend(loc="upper left", frameon=False, fontsize=8, ncols=4)
        low, high = panel.get_ylim()
        panel.set_ylim(low, high + 0.25 * (high - low))  # room for the legend
    rates.set_xlabel(f"time since the rollout began, {unit}")
    figure.suptitle(_title(decision, times[-1], unit, dispersions), fontsize=11)
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise CliError(f"{path} cannot be written: {error}.") from error


def _title(decision: Decision, at: float, unit: str, dispersions: Mapping[str, Sequence[Dispersion]]) -> str:
    phis = ", ".join(f"{gate} {max(one.phi for one in known):.2f}" for gate, known in dispersions.items() if known)
    return (
        f"run {decision.run}: {decision.outcome} after {at:g} {unit}, gate {decision.gate}, "
        f"{decision.excess_errors:.1f} excess bad requests\ndispersion phi of the stable pods: {phis}"
    )


def _axis_of_time(looks: Sequence[Look]) -> tuple[str, list[float]]:
    scale, unit = (60.0, "minutes") if looks[-1].t >= 300 else (1.0, "seconds")
    return unit, [look.t / scale for look in looks]


def _draw_harm(panel: "Axes", gates: Sequence[Gate], looks: Sequence[Look], times: Sequence[float]) -> None:
    panel.set_ylabel("evidence of harm (ln)")
    if len(gates) > 1:
        for gate, colour in _coloured(gates):
            panel.plot(times, _of_gate(looks, gate, _harm_of, max), color=colour, linewidth=1, label=gate)
    label = "all gates together" if len(gates) > 1 else "evidence"
    panel.plot(times, [look.judgement.log_harm for look in looks], color="black", linewidth=1.8, label=label)
    _threshold(panel, looks[0].judgement.harm_threshold, _HARM, "roll back from here on")


def _draw_safety(panel: "Axes", gates: Sequence[Gate], looks: Sequence[Look], times: Sequence[float]) -> None:
    panel.set_ylabel("evidence of safety (ln)")
    for gate, colour in _coloured(gates):
        panel.plot(times, _of_gate(looks, gate, _safety_of, min), color=colour, linewidth=1.5, label=gate)
    _threshold(panel, looks[0].judgement.safety_threshold, _SAFETY, "each gate is safe from here on")


def _draw_bound(panel: "Axes", gates: Sequence[Gate], looks: Sequence[Look], times: Sequence[float]) -> None:
    panel.set_ylabel("excess over the live\nversion, % of requests")
    for gate, colour in _coloured(gates):
        upper = [100 * bound for bound in _of_gate(looks, gate, _bound_of, max)]
        panel.plot(times, upper, color=colour, linewidth=1.5, label=f"{gate}: at most, so far")
    for policy, (_, colour) in zip(gates, _coloured(gates), strict=True):
        panel.axhline(policy.margin_points, color=colour, linestyle=_LINE_STYLE, linewidth=1, label="promoteWithin")
    panel.set_yscale("symlog", linthresh=1)
    panel.yaxis.set_major_formatter(lambda percent, _: f"{percent:g}")
    panel.set_ylim(0, 100)


def _draw_rates(panel: "Axes", decision: Decision, looks: Sequence[Look], times: Sequence[float]) -> None:
    name = max((gate for gate in looks[-1].judgement.gates if _is_of(gate, decision.gate)), key=_harm_of).gate
    verdicts = [next((one for one in look.judgement.gates if one.gate == name), None) for look in looks]
    panel.set_ylabel(f"bad requests, %\n(gate {name})")
    candidate = [verdict.candidate if verdict else Counts() for verdict in verdicts]
    stable = [verdict.stable if verdict else Counts() for verdict in verdicts]
    highest = highest_dot = 0.0
    for label, totals, colour in (("candidate", candidate, _CANDIDATE), ("live version", stable, _STABLE)):
        so_far = [_percent(counts) for counts in totals]
        dots = _rates_between(totals)
        panel.plot(times, dots, ".", color=colour, alpha=0.5, markersize=5)
        panel.plot(times, so_far, color=colour, linewidth=1.8, label=f"{label}, so far (dots: in each interval)")
        highest = max(highest, _highest(so_far[len(so_far) // 4 :]))
        highest_dot = max(highest_dot, _highest(dots))
    # One bad request of three is a third; such dots would leave no room for what the lines say.
    panel.set_ylim(0, min(1.1 * highest_dot, 5 * highest) or 1.0)


def _threshold(panel: "Axes", value: float, colour: str, label: str) -> None:
    panel.axhline(value, color=colour, linestyle=_LINE_STYLE, linewidth=1.2, label=label)
    panel.axhline(0, color=_QUIET, linewidth=0.5)


def _coloured(gates: Sequence[Gate]) -> list[tuple[str, str]]:
    return [(gate.name, _GATES[index % len(_GATES)]) for index, gate in enumerate(gates)]


def _is_of(verdict: GateVerdict, gate: str) -> bool:
    """A histogram is judged at several edges, which are called GATE[NUMBER]."""
    return verdict.gate == gate or verdict.gate.startswith(f"{gate}[")


def _of_gate(
    looks: Sequence[Look],
    gate: str,
    value: Callable[[GateVerdict], float],
    of_edges: Callable[[Sequence[float]], float],
) -> list[float]:
    return [of_edges([value(one) for one in look.judgement.gates if _is_of(one, gate)]) for look in looks]


def _harm_of(verdict: GateVerdict) -> float:
    return verdict.log_harm


def _safety_of(verdict: GateVerdict) -> float:
    return verdict.log_safety


def _bound_of(verdict: GateVerdict) -> float:
    return 1.0 if verdict.upper_bound is None else verdict.upper_bound


def _percent(counts: Counts) -> float:
    return 100 * counts.bad / counts.total if counts.total else math.nan


def _highest(rates: Sequence[float]) -> float:
    """Of those that are numbers; 0 where none is."""
    return max((rate for rate in rates if not math.isnan(rate)), default=0.0)


def _rates_between(totals: Sequence[Counts]) -> list[float]:
    """Percent in each interval, from the sums after it."""
    before = [Counts(), *totals[:-1]]
    return [
        _percent(Counts(now.total - past.total, min(now.bad - past.bad, now.total - past.total)))
        for past, now in zip(before, totals, strict=True)
    ]
