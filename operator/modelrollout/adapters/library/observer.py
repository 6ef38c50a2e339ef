"""The observer: pairs of answers that it has compared, of any model server.

Both counters are one family, told apart by name, so that all rollouts cost one query. Its pods belong to no revision:
they say themselves which versions they compare, and of which deployment.
"""

from modelrollout.adapters.families import Family, Source

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
