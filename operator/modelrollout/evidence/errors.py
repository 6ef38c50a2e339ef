"""What the evidence package raises when it is given something that cannot be evidence."""


class EvidenceError(ValueError):
    """A policy, a count or a stored state that breaks a rule; the message is one sentence for a person."""
