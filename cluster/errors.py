"""The one exception of this package, so that a command can turn every expected failure into one sentence."""


class ClusterError(Exception):
    """Something outside this package stands in the way; the message says what it is and how to remedy it."""
