"""Evidence between two writes of it: the sums so far, and the counters that they include.

Status holds the sums of some seconds ago. The ledger holds those of now; when the process dies it is gone, and the next
one reads the counters at the recorded time again and goes on from the written sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from modelrollout.evidence import Bins, Counts
from modelrollout.plan.observation import CandidateEvidence
from modelrollout.runtime.queue import Key

Cumulative = Counts | Bins
Counters = Mapping[str, Mapping[str, Cumulative]]
"""Gate to pod to cumulative counts. Pods of both arms lie side by side; their names tell whose they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`read_at` is the time of the newest tick used, `missing` what it lacked, gate by gate.

    `evidence` is None until something was planned with a tick.
    """

    revision: str
    read_at: datetime
    counters: Counters = field(default_factory=dict)
    evidence: CandidateEvidence | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


class Ledger:
    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}

    def get(self, key: Key, revision: str) -> Entry | None:
        """The entry of this candidate; one of an earlier candidate is of no use to it."""
        entry = self._entries.get(key)
        return entry if entry is not None and entry.revision == revision else None

    def put(self, key: Key, entry: Entry) -> None:
        self._entries[key] = entry

    def drop(self, key: Key) -> None:
        self._entries.pop(key, None)
