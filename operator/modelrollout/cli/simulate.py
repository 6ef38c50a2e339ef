"""`kubectl model simulate`: what a policy decides on traffic that was recorded or invented."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modelrollout.cli.errors import CliError

if TYPE_CHECKING:
    from modelrollout.cli.policy import Policy
    from modelrollout.cli.replay import Decision, Look, Run
    from modelrollout.cli.trace import Row

_DESCRIPTION = """\
Replay traffic through a rollout policy and print what the operator would have decided, one JSON line per run, in the
order in which the runs appear:

  {"run": "a", "decision": "Rollback", "t": 270, "excess_errors": 31.4, "gate": "errors"}

decision       Promote, Rollback or Hold. Promote: every gate has shown the candidate safe, and the policy's hold times
               (shadow, and canary once per weight) and minRequests are over. A soak is not simulated. Rollback:
               evidence of harm. At maxDuration onInconclusive decides (Pause: Hold); a run whose rows end before that
               is on Hold.
t              when, in seconds since the rollout began.
excess_errors  the candidate's bad requests until then, minus what the stable rate of each interval would have given.
gate           the gate that decided; for Promote and Hold the one with most evidence of harm.
"""

_EPILOG = """\
The trace has one JSON object per line; rows of many runs may be mixed, those of one run must be in order of time:

  {"run": "a", "t": 30, "gate": "errors", "candidate": [{"n": 300, "bad": 3}],
   "stable": [{"n": 900, "bad": 4}, {"n": 880, "bad": 5}]}

run        any text; one rollout.
t          when the interval ends, in seconds since the rollout began. An interval begins where the one before ended.
gate       the name of a gate of the policy. Rows of one run with the same t are one look; a gate without a row in it
           has no fresh data and lets nothing pass.
candidate, stable
           one entry per pod, in the same order in every row: what it served in the interval, n requests, bad of them
           bad (0 <= bad <= n; fractions are accepted).
buckets    in place of bad, for gates with signal Latency: counts per bucket, ascending, the last is the overflow; n may
           be left out. With "bounds" in the row (seconds, ascending, one fewer than buckets) requests beyond the gate's
           over are bad, and over must be one of the bounds. Without bounds the gate is judged at every edge between
           buckets: harm is the mean of the e-values of the edges, and safe is what is safe at every edge.
t <= 0     history from before the rollout, with stable pods only. It shows how much pods of the same version differ
           (phi), which evidence is divided by; 16 intervals, two pods and two bad requests are the least of use, hours
           are better. Without it phi is 1.5.

Other fields are ignored. A row that breaks a rule ends the command with exit code 2 and its line and field.
"""


def run(arguments: Sequence[str]) -> int:
    options = _options(parser(), arguments)
    from modelrollout.cli.policy import read

    policy = read(options.policy)
    runs: dict[str, Run] = {}
    looks: list[Look] = []
    with _rows(options, policy) as rows:
        decisions = _replay(rows, policy, runs, looks=looks if options.plot else None, chosen=options.run)
    if not runs:
        raise CliError(f"{options.trace or options.prometheus} has no rows.")
    for decision in decisions:
        print(_line(decision))
    _tell_unseen(runs.values(), decisions)
    if options.plot:
        _plot(options, policy, runs, decisions, looks)
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kubectl model simulate",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--policy",
        type=Path,
        required=True,
        metavar="FILE",
        help="YAML or JSON: the rollout part of a ModelDeployment, alone, under rollout:, or a whole ModelDeployment",
    )
    parser.add_argument("--trace", metavar="FILE", help="JSON lines as below; - reads standard input")
    past = parser.add_argument_group("replaying history from Prometheus, in place of --trace")
    past.add_argument("--prometheus", metavar="URL", help="where to ask; only range queries, a bounded number of them")
    past.add_argument("--from", dest="begin", metavar="TIME", help="t = 0: 2026-11-24T12:00:00Z, or Unix seconds")
    past.add_argument("--to", dest="end", metavar="TIME", help="the end")
    past.add_argument("--stable", metavar="SELECTOR", help='label matchers, such as pod=~"fraud-1f0c9a2b3d-.*"')
    past.add_argument("--candidate", metavar="SELECTOR", help="label matchers of the version to judge")
    past.add_argument("--history", default="2h", metavar="DURATION", help="how far before --from (default 2h)")
    past.add_argument("--server", default="MLServer", help="whose metrics they are (default MLServer)")
    plot = parser.add_argument_group("a picture of one run")
    plot.add_argument("--plot", type=Path, metavar="FILE.png", help="draw evidence and bounds over time")
    plot.add_argument("--run", metavar="NAME", help="which run to draw (default: the first)")
    return parser


def _options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    if bool(options.trace) == bool(options.prometheus):
        parser.error("give either --trace or --prometheus")
    if options.prometheus and not all((options.begin, options.end, options.stable, options.candidate)):
        parser.error("--prometheus needs --from, --to, --stable and --candidate")
    if options.run and not options.plot:
        parser.error("--run chooses what --plot draws; give --plot too")
    return options


@contextmanager
def _rows(options: argparse.Namespace, policy: "Policy") -> Iterator[Iterable["Row"]]:
    if options.prometheus:
        yield _recorded(options, policy)
        return
    from modelrollout.cli.trace import rows

    if options.trace == "-":
        yield rows(sys.stdin.buffer, source="standard input")
        return
    try:
        with Path(options.trace).open("rb") as file:
            yield rows(file, source=options.trace)
    except OSError as error:
        raise CliError(f"{options.trace} cannot be read: {error.strerror}.") from error


def _recorded(options: argparse.Namespace, policy: "Policy") -> Iterable["Row"]:
    from modelrollout.cli.recorded import Request, recorded

    return recorded(
        Request.of(
            url=options.prometheus,
            begin=options.begin,
            end=options.end,
            stable=options.stable,
            candidate=options.candidate,
            history=options.history,
            server=options.server,
        ),
        policy.rollout,
    )


def _replay(
    rows: Iterable["Row"], policy: "Policy", runs: dict[str, "Run"], *, looks: list["Look"] | None, chosen: str | None
) -> list["Decision"]:
    from modelrollout.cli.replay import Run

    for row in rows:
        run = runs.get(row.run)
        if run is None:
            drawn = looks is not None and (row.run == chosen if chosen else not runs)
            run = runs[row.run] = Run(row.run, policy, on_look=looks.append if drawn and looks is not None else None)
        run.add(row)
    return [run.end() for run in runs.values()]


def _line(decision: "Decision") -> str:
    return json.dumps(
        {
            "run": decision.run,
            "decision": decision.outcome,
            "t": decision.t,
            "excess_errors": round(decision.excess_errors, 3),
            "gate": decision.gate,
        },
        ensure_ascii=False,
    )


def _tell_unseen(runs: Iterable["Run"], decisions: Iterable["Decision"]) -> None:
    """What lets a run hold for no reason that the output shows."""
    held = [run for run, decision in zip(runs, decisions, strict=True) if decision.outcome == "Hold"]
    unseen = Counter(gate for run in held for gate in run.unseen_gates())
    for gate, number in unseen.items():
        which = "1 run is" if number == 1 else f"{number} runs are"
        print(f"note: {which} on hold without any row of gate {gate}, which lets nothing pass.", file=sys.stderr)


def _plot(
    options: argparse.Namespace,
    policy: "Policy",
    runs: Mapping[str, "Run"],
    decisions: Sequence["Decision"],
    looks: Sequence["Look"],
) -> None:
    from modelrollout.cli.plot import draw

    decision = next((one for one in decisions if options.run in (None, one.run)), None)
    if decision is None:
        raise CliError(f"There is no run {options.run} to draw.")
    if not looks:
        raise CliError(f"Run {decision.run} has no rows since the rollout began, so there is nothing to draw.")
    draw(options.plot, policy, decision, looks, runs[decision.run].dispersions())
