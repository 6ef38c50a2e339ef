"""The observer: pairs of answers that it has compared, and values that it has counted, of any model server.

Both counters are one family, told apart by name, so that all rollouts cost one query. Its pods belong to no revision:
they say themselves which versions they compare, and of which deployment.
"""

from modelrollout.adapters.families import Family, Source
from modelrollout.data.tally import VALUES, Kind

PAIRS = "modelrollout_observer_pairs_total"
NOISE_PAIRS = "modelrollout_observer_noise_pairs_total"
DISAGREE = "disagree"

AGREEMENT = Family(
    "agreement",
    f"{PAIRS}|{NOISE_PAIRS}",
    "what",
    "",
    source=Source.OBSERVER,
    joined=("candidate", "live", "__name__", "result", "output"),
)

VALUES_OF_OUTPUTS = Family(
    "outputs",
    VALUES,
    "what",
    f'kind="{Kind.OUTPUT}"',
    source=Source.OBSERVER,
    joined=("revision", "feature", "bin"),
)
"""Of all outputs at once; which of them a gate is about is told by the joined labels."""
