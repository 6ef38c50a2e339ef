"""The revision that a person means: by version, by id or the beginning of one, or by its part."""

from collections.abc import Sequence

from modelrollout.cli.errors import CliError
from modelrollout.cli.objects import Deployment, Revision

PARTS = ("live", "candidate", "previous")
_SHORTEST_PREFIX = 4


def revision(named: str, deployment: Deployment, revisions: Sequence[Revision]) -> Revision:
    """Raises CliError, which tells the choice, when there is none or more than one."""
    found = (
        [one for one in revisions if named in (one.id, one.digest, f"{one.deployment}-{one.id}")]
        or [one for one in revisions if one.version == named]
        or [one for one in revisions if len(named) >= _SHORTEST_PREFIX and one.digest.startswith(named)]
    )
    if not found and named in PARTS:
        id = {"live": deployment.stable, "candidate": deployment.candidate, "previous": deployment.previous}[named]
        found = [one for one in revisions if one.id == id]
        if not found:
            raise CliError(f"{deployment.key} has no {named} revision")
    if not found:
        raise CliError(f"{deployment.key} has no revision {named}; there is {_listed(revisions) or 'none'}")
    if len(found) > 1:
        raise CliError(f"{named} is more than one revision of {deployment.key}; name one by its id: {_listed(found)}")
    return found[0]


def _listed(revisions: Sequence[Revision]) -> str:
    return ", ".join(f"{one.id} (version {one.version}, {one.state})" for one in revisions)
