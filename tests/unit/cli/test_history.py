"""`kubectl model history`, and the stints in production that it is made of."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.api.modelrevision import Changes, ModelRevisionStatus, RevisionState, StateChange
from modelrollout.cli import history
from modelrollout.plan.observation import RevisionView
from tests.builders import ago, bodies, id_of, live, observation, revision, spec
from tests.unit.cli.stand import Stand

HOUR = 3600.0


def lived(
    of: ModelDeploymentSpec,
    states: Iterable[tuple[RevisionState, datetime]],
    *,
    ended: str | None = None,
    changes: Changes | None = None,
) -> RevisionView:
    """A revision with a past; oldest state first."""
    past = tuple(StateChange(state=state, at=at) for state, at in states)
    status = ModelRevisionStatus(
        state=past[-1].state, history=past, ended=ended, changes=changes, traffic_ended_at=past[-1].at
    )
    return replace(revision(of, replicas=None), status=status, created_at=past[0].at)


ONE = lived(
    spec("1"),
    [
        (RevisionState.LIVE, ago(50 * HOUR)),
        (RevisionState.SUPERSEDED, ago(20 * HOUR)),
        (RevisionState.PENDING, ago(10 * HOUR)),
        (RevisionState.LIVE, ago(9 * HOUR)),
    ],
    changes=Changes(),
)
TWO = lived(
    spec("2"),
    [
        (RevisionState.CANARY, ago(21 * HOUR)),
        (RevisionState.LIVE, ago(20 * HOUR)),
        (RevisionState.ROLLED_BACK, ago(9 * HOUR)),
    ],
    ended="RollbackRequested",
    changes=Changes(since="1", entries=("retrained\non October", "model.version: 1 → 2")),
)
THREE = lived(
    spec("3"),
    [(RevisionState.CANARY, ago(2 * HOUR)), (RevisionState.ROLLED_BACK, ago(HOUR))],
    ended="EvidenceOfHarm (errors)",
    changes=Changes(since="1", entries=("a new tokenizer",)),
)


def stand() -> Stand:
    status = live(spec("1")).status.model_copy(update={"rejected": id_of(spec("3"))})
    made = Stand()
    made.put(*bodies(observation(spec("3"), ONE, TWO, THREE, status=status)))
    return made


def test_each_time_in_production_newest_first() -> None:
    printed = stand().run(history.run, "fraud")
    assert printed.code == 0
    assert [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in printed.lines] == [
        ["VERSION", "REVISION", "STATE", "LIVE SINCE", "FOR", "ENDED", "CHANGES"],
        ["3", id_of(spec("3")), "RolledBack", "-", "-", "EvidenceOfHarm (errors)", "a new tokenizer"],
        ["1", id_of(spec("1")), "Live", "2026-11-24 03:00:00 UTC", "9h", "-", "the first version"],
        [
            "2",
            id_of(spec("2")),
            "RolledBack",
            "2026-11-23 16:00:00 UTC",
            "11h",
            "RollbackRequested",
            "retrained on October; model.version: 1 → 2",
        ],
        ["1", id_of(spec("1")), "Superseded", "2026-11-22 10:00:00 UTC", "1d6h", "-", "the first version"],
    ]


def test_wide_has_a_line_for_each_change() -> None:
    printed = stand().run(history.run, "fraud", "-o", "wide")
    start = next(number for number, line in enumerate(printed.lines) if line.startswith("2 "))
    assert printed.lines[start + 1 : start + 4] == [
        "    since version 1: retrained",
        "    on October",
        "    model.version: 1 → 2",
    ]


def test_programs_get_a_document() -> None:
    told = json.loads(stand().run(history.run, "fraud", "-o", "json").out)
    assert [(one["version"], one["liveFor"], one["ended"]) for one in told] == [
        ("3", None, "EvidenceOfHarm (errors)"),
        ("1", "9h", None),
        ("2", "11h", "RollbackRequested"),
        ("1", "1d6h", None),
    ]
    assert told[0]["changes"] == ["a new tokenizer"]


def test_of_one_that_was_deleted_the_revisions_that_are_left() -> None:
    made = stand()
    del made.objects["modeldeployments", "payments", "fraud"]
    assert made.run(history.run, "fraud").code == 0


def test_without_revisions_it_says_which_name_is_wrong() -> None:
    assert "did you mean fraud?" in stand().run(history.run, "frod").error
    assert Stand(observation=observation(spec("1"))).run(history.run, "fraud").out == "fraud has no revision yet.\n"
