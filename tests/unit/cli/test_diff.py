"""`kubectl model diff`: two revisions like two folders."""

import json
from dataclasses import replace
from typing import Any

from modelrollout.adapters.kubernetes import Forbidden
from modelrollout.api.config import ConfigCopy, RevisionConfig, SecretMark
from modelrollout.api.modeldeployment import StageName
from modelrollout.cli import diff
from modelrollout.plan.observation import RevisionView
from tests.builders import ago, bodies, id_of, observation, revision, rolling, spec, superseded
from tests.builders import live as alive
from tests.unit.cli.stand import Stand

OLD, NEW = "a" * 64, "b" * 64


def configured(view: RevisionView, *, digest: str, hash: str = OLD) -> RevisionView:
    config = RevisionConfig(
        config_maps=(ConfigCopy(name="settings", digest=digest, copy_name=f"fraud-config-{digest[:10]}"),),
        secrets=(SecretMark(name="keys", resource_version="1", hash=hash),),
    )
    return replace(view, spec=view.spec.model_copy(update={"config": config}))


def copy(digest: str, **data: str) -> dict[str, Any]:
    metadata = {"name": f"fraud-config-{digest[:10]}", "namespace": "payments"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": data}


def stand() -> Stand:
    """Version 1 is live and 2 in its canary, with another content of their settings."""
    base = rolling(spec("2"), StageName.CANARY, weight=5)
    views = {id: configured(view, digest=NEW if id == base.target else OLD) for id, view in base.revisions.items()}
    made = Stand(observation=replace(base, revisions=views))
    made.put(copy(OLD, level="info\nlimit: 5\n", same="x"), copy(NEW, level="info\nlimit: 7\n", same="x", more="y"))
    return made


def test_live_against_the_candidate_is_the_default() -> None:
    printed = stand().run(diff.run, "fraud")
    assert printed.code == 1
    one, two = id_of(spec("1")), id_of(spec("2"))
    assert printed.lines == [
        f"--- config/settings/level   version 1 ({one})",
        f"+++ config/settings/level   version 2 ({two})",
        "@@ -1,2 +1,2 @@",
        " info",
        "-limit: 5",
        "+limit: 7",
        f"--- config/settings/more   version 1 ({one})",
        f"+++ config/settings/more   version 2 ({two})",
        "@@ -0,0 +1 @@",
        "+y",
        f"--- model.yaml   version 1 ({one})",
        f"+++ model.yaml   version 2 ({two})",
        "@@ -1,3 +1,3 @@",
        " name: fraud-classifier",
        "-version: '1'",
        "-uri: image://fraud/1",
        "+version: '2'",
        "+uri: image://fraud/2",
        f"--- serving.yaml   version 1 ({one})",
        f"+++ serving.yaml   version 2 ({two})",
        "@@ -4,4 +4,4 @@",
        "   spec:",
        "     containers:",
        "     - name: server",
        "-      image: fraud:1",
        "+      image: fraud:2",
    ]


def test_the_other_way_round() -> None:
    printed = stand().run(diff.run, "fraud", "2", "live")
    assert "-limit: 7" in printed.lines
    assert "+limit: 5" in printed.lines


def test_nothing_differs() -> None:
    printed = stand().run(diff.run, "fraud", "1", "live")
    assert (printed.code, printed.error) == (0, "")
    assert "have the same content" in printed.out


def test_without_a_candidate_it_is_the_one_before_against_live() -> None:
    base = alive(spec("2"))
    views = (superseded(spec("1"), live_at=ago(7200)), revision(spec("2")))
    status = base.status.model_copy(update={"previous": id_of(spec("1"))})
    made = Stand()
    made.put(*bodies(observation(spec("2"), *views, status=status)))
    assert "+version: '2'" in made.run(diff.run, "fraud").lines


def test_of_a_secret_it_is_known_that_it_changed() -> None:
    made = stand()
    changed = [one for one in made.objects.values() if one.get("spec", {}).get("config", {}).get("secrets")]
    changed[-1]["spec"]["config"]["secrets"][0]["hash"] = NEW
    printed = made.run(diff.run, "fraud")
    assert f"-content with the hash {OLD}" in printed.lines
    assert f"+content with the hash {NEW}" in printed.lines


def test_a_copy_that_may_not_be_read_differs_by_its_digest() -> None:
    made = stand()
    made.refusals["get", "configmaps"] = Forbidden(403, "Forbidden", "no")
    printed = made.run(diff.run, "fraud")
    assert printed.code == 1
    assert f"-content with the digest {OLD}" in printed.lines
    assert "note: the content of ConfigMap settings is not shown: it takes the verb get on configmaps" in printed.error


def test_a_copy_that_is_gone_is_told() -> None:
    made = stand()
    del made.objects["configmaps", "payments", f"fraud-config-{OLD[:10]}"]
    assert "its copy fraud-config-aaaaaaaaaa is gone" in made.run(diff.run, "fraud").error


def test_programs_get_before_and_after() -> None:
    told = json.loads(stand().run(diff.run, "fraud", "-o", "json").out)
    by_path = {one["path"]: (one["before"], one["after"]) for one in told}
    assert by_path["config/settings/more"] == (None, "y")
    assert by_path.keys() == {"config/settings/level", "config/settings/more", "model.yaml", "serving.yaml"}


def test_what_cannot_be_told_is_no_difference() -> None:
    """As with kubectl diff, 1 says that something differs and nothing else."""
    made = stand()
    made.refusals["list", "modelrevisions"] = Forbidden(403, "Forbidden", "no")
    assert made.run(diff.run, "fraud").code == 2
    assert stand().run(diff.run, "fraud", "9").code == 2
    assert stand().run(diff.run, "fraud", "previous").error == "payments/fraud has no previous revision"
