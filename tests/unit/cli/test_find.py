"""How people name revisions."""

from dataclasses import replace

import pytest

from modelrollout.api.modeldeployment import StageName
from modelrollout.cli.errors import CliError
from modelrollout.cli.find import revision
from modelrollout.cli.objects import Deployment, Revision
from tests.builders import bodies, rolling, spec

BODIES = bodies(rolling(spec("2"), StageName.CANARY, weight=5))
DEPLOYMENT = Deployment.read(BODIES[0])
LIVE, CANDIDATE = (Revision.read(body) for body in BODIES[1:])
REVISIONS = [CANDIDATE, LIVE]


@pytest.mark.parametrize("named", ["1", "live", LIVE.id, LIVE.id[:4], LIVE.digest, f"fraud-{LIVE.id}"])
def test_names_of_a_revision(named: str) -> None:
    assert revision(named, DEPLOYMENT, REVISIONS) is LIVE


def test_a_version_comes_before_the_beginning_of_an_id() -> None:
    odd = replace(CANDIDATE, version=LIVE.id[:6])
    assert revision(LIVE.id[:6], DEPLOYMENT, [odd, LIVE]) is odd


def test_a_part_comes_after_a_version_of_that_name() -> None:
    odd = replace(CANDIDATE, version="live")
    assert revision("live", DEPLOYMENT, [odd, LIVE]) is odd


def test_a_version_with_several_revisions_is_named_by_id() -> None:
    edited = replace(CANDIDATE, id="0123456789", digest="0123456789" + "0" * 54)
    with pytest.raises(CliError, match="2 is more than one revision of payments/fraud; name one by its id: ") as told:
        revision("2", DEPLOYMENT, [edited, CANDIDATE])
    assert "0123456789 (version 2, Canary)" in str(told.value)
    assert CANDIDATE.id in str(told.value)


@pytest.mark.parametrize("named", ["3", LIVE.id[:3], "previous", ""])
def test_what_is_none(named: str) -> None:
    with pytest.raises(CliError, match="has no "):
        revision(named, DEPLOYMENT, REVISIONS)
