"""The history of production: who was live, from when to when, and what never got that far.

A revision can be live more than once, when others are taken back to it. Each time is a stint of its own; a revision
that was never live is one entry, at the time when its part ended or when it was made.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from modelrollout.cli.objects import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Stint:
    """`state` is what the revision was or became; `live_at` is None for one that never was. `ended`: why it ended."""

    revision: Revision
    state: str
    live_at: datetime | None
    until: datetime | None
    ended: str | None

    @property
    def at(self) -> datetime:
        return self.live_at or self.until or self.revision.created_at


def stints(revisions: Iterable[Revision]) -> list[Stint]:
    """Newest first."""
    every = [stint for revision in revisions for stint in _of(revision)]
    return sorted(every, key=lambda one: (one.at, one.revision.created_at), reverse=True)


def _of(revision: Revision) -> Iterator[Stint]:
    lives = [number for number, (state, _) in enumerate(revision.history) if state == "Live"]
    for number in lives:
        following = revision.history[number + 1] if number + 1 < len(revision.history) else None
        yield Stint(
            revision=revision,
            state=following[0] if following else "Live",
            live_at=revision.history[number][1],
            until=following[1] if following else None,
            # Why it ended is known of the last time; of those before, what it became.
            ended=(revision.ended or following[0]) if following and number == lives[-1] else None,
        )
    if not lives:
        over = revision.history[-1][1] if revision.ended and revision.history else None
        yield Stint(revision=revision, state=revision.state, live_at=None, until=over, ended=revision.ended)
