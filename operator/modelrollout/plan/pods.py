"""Fail fast from the pods themselves, beside the statistics.

A crash loop or running out of memory says something about the model: it rolls back. A failed pull, a pod that fits on
no node or a missing ConfigMap says something about its surroundings: it stalls with a reason and goes on when it is
mended. Where the live version crashes too, the candidate is not worse, and the fault is elsewhere.
"""

from dataclasses import dataclass

from modelrollout.plan.observation import RevisionView, Trouble

MODEL_TROUBLE = frozenset({Trouble.CRASH_LOOP, Trouble.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The worst thing about a revision's pods. `harmful` rolls back."""

    trouble: Trouble
    message: str
    harmful: bool


def finding(candidate: RevisionView, stable: RevisionView | None) -> Finding | None:
    troubled = [pod for pod in candidate.pods if pod.trouble is not None]
    if not troubled:
        return None
    pod = min(troubled, key=lambda pod: (pod.trouble not in MODEL_TROUBLE, pod.name))
    assert pod.trouble is not None
    shared = stable is not None and any(other.trouble in MODEL_TROUBLE for other in stable.pods)
    return Finding(
        trouble=pod.trouble,
        message=f"pod {pod.name}: {pod.message}",
        harmful=pod.trouble in MODEL_TROUBLE and not shared,
    )
