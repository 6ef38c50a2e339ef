"""An example of a disagreement, as a person reads it."""

from datetime import datetime

from modelrollout.api.observe import Comparison
from modelrollout.observer.answers import Answer, UnreadableError, read_request
from modelrollout.observer.assignment import Assignment
from modelrollout.observer.compare import Judgement, Verdict
from modelrollout.observer.compare.judge import select
from modelrollout.observer.examples import Example
from modelrollout.observer.pending import Sampled
from modelrollout.observer.redaction import HIDDEN, printable


def disagreement(
    sampled: Sampled,
    assignment: Assignment,
    judgement: Judgement,
    *,
    live: Answer,
    candidate: Answer,
    now: datetime,
) -> Example:
    asked = {how.label: how for how in assignment.comparator.comparisons}
    outputs: dict[str, Example] = {}
    for name, finding in judgement.findings.items():
        if finding.verdict is not Verdict.DISAGREE or len(outputs) == 16:
            continue
        how = asked.get(name)
        outputs[printable(name[:100])] = {
            "reason": finding.reason,
            "live": _output(assignment, name, how, live),
            "candidate": _output(assignment, name, how, candidate),
        }
    return {**_request(sampled, assignment, now), "severity": round(judgement.severity, 4), "outputs": outputs}


def failure(sampled: Sampled, assignment: Assignment, reason: str, *, now: datetime) -> Example:
    """The candidate gave no answer where the live version did."""
    return {**_request(sampled, assignment, now), "severity": 1.0, "outputs": {}, "candidateFailed": reason}


def _output(assignment: Assignment, name: str, how: Comparison | None, answer: Answer) -> object:
    if assignment.redaction.hides_output(name, how):
        return HIDDEN
    return assignment.redaction.output(answer.outputs.get(name) if how is None else select(answer, how))


def _request(sampled: Sampled, assignment: Assignment, now: datetime) -> Example:
    """Without its headers and its query, which are not the model's."""
    try:
        message = assignment.message(sampled)
        read: object = read_request(assignment.protocol, message) if message.body else None
    except UnreadableError as error:
        read = f"[unreadable: {error}]"
    return {
        "at": now.isoformat(timespec="seconds"),
        "request": printable(sampled.key[:100]),
        "path": printable(sampled.target.partition("?")[0][:200]),
        "asked": assignment.redaction.shown(read),
    }
