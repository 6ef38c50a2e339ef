"""`kubectl model lint`: it refuses what the API server refuses, by line and field, and advises about the rest."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api.crd import RESOURCES
from modelrollout.cli import check, lint
from modelrollout.cli.errors import CliError
from modelrollout.cli.terminal import Terminal
from tests.apiserver.corpus_files import BAD, GOOD, Manifest
from tests.builders import dumped, spec

ROLLOUTS = Path(__file__).resolve().parents[3] / "demo" / "rollouts"

HEAD = """\
apiVersion: modelrollout.dev/v1alpha1
kind: ModelDeployment
metadata: {name: fraud}
spec:
  model: {name: fraud-classifier, version: "7", uri: "image://models/fraud"}
  route: {parentRefs: [{name: public}]}
  serving:
    server: MLServer
    replicas: 3
    template:
      spec:
        containers:
        - name: server
          image: fraud-server:7
          readinessProbe: {httpGet: {path: /v2/health/ready, port: 8080}}
"""
QUIET = HEAD + "  rollout: {gates: [{name: errors, signal: Errors, promoteWithin: {points: 2}}]}\n"
"""A manifest that nothing can be said about."""


class Linted:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def __call__(self, text: str, *words: str) -> tuple[int, list[str], str]:
        """Exit code, lines, and the summary."""
        path = self.folder / "fraud.yaml"
        path.write_text(text)
        code = lint.run([str(path), *words])
        printed = self.capsys.readouterr()
        return code, printed.out.replace(f"{self.folder}/", "").splitlines(), printed.err.strip()


@pytest.fixture
def linted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Linted:
    return Linted(tmp_path, capsys)


class TestTheApiServersRules:
    @pytest.mark.parametrize("manifest", BAD, ids=str)
    def test_what_it_refuses_is_refused(self, manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
        assert lint.run([str(manifest.path)]) == 1
        printed = capsys.readouterr().out
        assert re.match(rf"{re.escape(str(manifest.path))}:\d+: error: \S", printed)
        rule = _rule_of(manifest.expected)
        assert rule is None or rule in printed

    @pytest.mark.parametrize("manifest", GOOD, ids=str)
    def test_what_it_takes_is_taken(self, manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
        assert lint.run([str(manifest.path)]) == 0
        assert ": error: " not in capsys.readouterr().out

    @pytest.mark.parametrize("path", sorted(ROLLOUTS.glob("*.yaml")), ids=lambda path: str(path.name))
    def test_the_demos_manifests_are_taken(self, path: Path) -> None:
        assert lint.run([str(path)]) == 0


@pytest.mark.parametrize("manifest", [*GOOD, *BAD], ids=str)
def test_what_is_right_at_a_glance_has_no_fault_at_a_closer_look(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = manifest.body
    at_a_glance = list(check.errors(body))
    monkeypatch.setattr(check, "_is_right", lambda *_: False)
    assert list(check.errors(body)) == at_a_glance


def test_every_kind_of_the_api_is_known() -> None:
    assert {name: check.type_of(name) for name in check.KINDS} == {one.kind: one.type for one in RESOURCES}


def _rule_of(expected: str) -> str | None:
    """A rule that is written once for both says the same in both; the schema's own sentences are the API server's."""
    of_the_schema = re.compile(r"in body|Unsupported value|Required value|unknown field|Too (many|long)|Invalid value")
    return None if of_the_schema.search(expected) else expected


@pytest.mark.parametrize(
    ("old", "new", "line", "sentence"),
    [
        ("name: fraud}", "name: Fraud}", 3, "metadata.name: metadata.name must start with a letter"),
        ("name: fraud}", "name: 7}", 3, "metadata.name: must be text"),
        ("metadata: {name: fraud}\n", "", 1, "metadata: metadata.name is needed; give it a name"),
        ("kind: ModelDeployment", "kind: ModelDeploymnet", 2, "kind: there is no kind ModelDeploymnet; did you mean M"),
        ("v1alpha1", "v2", 1, "apiVersion: there is no version modelrollout.dev/v2; write modelrollout.dev/v1alpha1"),
        ("spec:\n  model", "specs: {}\nspec:\n  model", 4, "specs: there is no such field; did you mean spec?"),
        ("replicas: 3", "replcas: 3", 9, "spec.serving.replcas: there is no such field; did you mean replicas?"),
        ("replicas: 3", 'replicas: "3"', 9, "spec.serving.replicas: must be a whole number, and is text"),
        ("replicas: 3", "replicas: 3.5", 9, "spec.serving.replicas: must be a whole number, and is a number"),
        ('version: "7"', "version: 7", 5, "spec.model.version: must be text, in quotes where it looks like something"),
        ('version: "7"', "version: 2026-10-01", None, ""),
        ('version: "7"', "version: 1:30", None, ""),
        ("replicas: 3", "replicas: 3\n    replicas: 4", 10, "the key replicas is given twice; remove one"),
        ("replicas: 3", "replicas: [3", 10, "no YAML: "),
        ("        - name: server", "        - {}\n        - name: server", 13, "containers[0].name: is needed and not"),
        ("server: MLServer", "server: null", 8, "spec.serving.server: "),
    ],
)
def test_errors_name_line_and_field(linted: Linted, old: str, new: str, line: int | None, sentence: str) -> None:
    code, lines, _ = linted(QUIET.replace(old, new, 1))
    if line is None:
        assert (code, lines) == (0, [])
        return
    assert code == 1
    found = [one for one in lines if one.startswith(f"fraud.yaml:{line}: error: ")]
    assert any(sentence in one for one in found), lines


def test_a_number_in_exponents_is_a_number(linted: Linted) -> None:
    gate = "{name: load, signal: Threshold, max: 1e3, query: {value: 'x'}}"
    assert linted(HEAD + f"  rollout: {{gates: [{gate}]}}\n")[0] == 0


def test_every_document_and_every_error_is_told(linted: Linted) -> None:
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    wrong = QUIET.replace("replicas: 3", "replicas: 0").replace("MLServer", "Nothing")
    code, lines, summary = linted("---\n".join((config_map, wrong, QUIET, wrong)))
    assert code == 1
    assert [line.partition(": error")[0] for line in lines] == [
        "fraud.yaml:12",
        "fraud.yaml:13",
        "fraud.yaml:46",
        "fraud.yaml:47",
    ]
    assert summary == "3 objects: 4 errors, 0 pieces of advice, 1 object of other kinds passed over"


def test_standard_input_and_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    for name in ("b.yaml", "a.json", "notes.txt"):
        body = json.dumps(yaml.safe_load(QUIET.replace("replicas: 3", "replicas: 0")))
        (tmp_path / name).write_text(body)
    monkeypatch.setattr("sys.stdin", io.StringIO(QUIET.replace("replicas: 3", "replicas: 0")))
    assert lint.run([str(tmp_path), "-"]) == 1
    assert [line.split(":")[0].rpartition("/")[2] for line in capsys.readouterr().out.splitlines()] == [
        "a.json",
        "b.yaml",
        "<stdin>",
    ]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot be read: No such file"):
        lint.run([str(tmp_path / "none.yaml")])
    with pytest.raises(CliError, match="has no file that ends in"):
        lint.run([str(tmp_path)])
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(CliError, match="is no text in UTF-8"):
        lint.run([str(tmp_path / "binary.yaml")])


def test_programs_get_a_document(linted: Linted, tmp_path: Path) -> None:
    _, lines, _ = linted(QUIET.replace("replicas: 3", "replicas: 1"), "-o", "json")
    (one,) = json.loads("\n".join(lines))
    assert (one["line"], one["field"], one["advice"]) == (9, "spec.serving.replicas", "one-replica")


SHADOW = "{shadow: {minRequests: 500, holdFor: 2m}}"
CANARY = "{canary: {weights: [5, 50], holdFor: 10m}}"
SOAK = "{soak: {for: 1h}}"


def rollout(**fields: Any) -> str:
    said = {"gates": [{"name": "errors", "signal": "Errors", "promoteWithin": {"points": 2}}], **fields}
    return HEAD + f"  rollout: {json.dumps(said)}\n"


def stages(*given: str) -> list[Any]:
    return [yaml.safe_load(one) for one in given]


ERRORS = {"name": "errors", "signal": "Errors"}


class TestAdvice:
    def test_where_there_is_none(self, linted: Linted) -> None:
        assert linted(QUIET) == (0, [], "1 object: 0 errors, 0 pieces of advice")

    @pytest.mark.parametrize(
        ("text", "name", "field", "sentence"),
        [
            (rollout(stages=stages(CANARY)), "no-soak", "spec.rollout.stages", "add - soak: {for: 1h}"),
            (
                rollout(warmup="90s"),
                "short-shadow",
                "spec.rollout.warmup",
                "warmup 90s is not shorter than",
            ),
            (
                rollout(stages=stages("{shadow: {holdFor: 60s}}", CANARY, SOAK)),
                "short-shadow",
                "spec.rollout.stages[0].shadow",
                "warmup 60s is not shorter than the shadow's holdFor 60s",
            ),
            (
                rollout(stages=stages(SHADOW, CANARY, SOAK), maxDuration="22m"),
                "long-holds",
                "spec.rollout.maxDuration",
                "the stages hold for 22m at least, and maxDuration is 22m",
            ),
            (
                rollout(onInconclusive="Promote"),
                "promotes-unproven",
                "spec.rollout.onInconclusive",
                "Pause waits for a",
            ),
            (QUIET.replace("fraud-server:7", "fraud-server"), "mutable-image", None, "fraud-server can be another"),
            (QUIET.replace("fraud-server:7", "fraud-server:latest"), "mutable-image", None, "fraud-server:latest can"),
            (QUIET.replace("fraud-server:7", "reg:5000/fraud"), "mutable-image", None, "reg:5000/fraud can be another"),
            (
                QUIET.replace("image://models/fraud", "oci://reg/fraud:7"),
                "mutable-image",
                "spec.model.uri",
                "its digest",
            ),
            (
                QUIET.replace("readinessProbe", "livenessProbe"),
                "no-readiness",
                None,
                "no container has a readi",
            ),
            (QUIET.replace("    replicas: 3\n", ""), "one-replica", "spec.serving.replicas", "two are the least"),
            (
                rollout(gates=[ERRORS]),
                "slow-gate",
                "spec.rollout.gates[0]",
                "within 0.5 points, its signal's own margin; below 0.48 requests a second that is longer",
            ),
        ],
    )
    def test_what_is_often_regretted(
        self, linted: Linted, text: str, name: str, field: str | None, sentence: str
    ) -> None:
        code, lines, _ = linted(text)
        assert code == 0
        (line,) = lines
        assert re.match(rf"fraud\.yaml:\d+: advice \[{name}\]: ", line), line
        assert sentence in line
        assert field is None or f"]: {field}: " in line
        assert linted(text, "--strict")[0] == 1

    @pytest.mark.parametrize(
        "image", ["fraud-server:7", "fraud-server@sha256:abc", "reg:5000/fraud-server:v1.2", "fraud:latest@sha256:abc"]
    )
    def test_images_that_stay_what_they_are(self, linted: Linted, image: str) -> None:
        assert linted(QUIET.replace("fraud-server:7", image))[1] == []

    @pytest.mark.parametrize(("per_second", "told"), [("0.02", True), ("50", False)])
    def test_traffic_that_is_known_says_how_long_a_gate_takes(
        self, linted: Linted, per_second: str, told: bool
    ) -> None:
        _, lines, _ = linted(rollout(gates=[ERRORS]), "--requests-per-second", per_second)
        assert bool(lines) is told
        if told:
            assert re.search(
                r"about [\d,]+ requests of a good candidate .*: \d+[dh]\S* at 0.02 requests a sec", lines[0]
            )

    def test_a_wider_margin_and_a_shadow_ask_for_less_traffic(self, linted: Linted) -> None:
        """What the forecast of the operator says: more copies, or more room, need fewer requests a second."""

        def least(text: str) -> float:
            found = re.search(r"below ([\d.]+) requests a second", "\n".join(linted(text)[1]))
            assert found is not None
            return float(found[1])

        shadowed = rollout(gates=[ERRORS])
        canary_only = rollout(gates=[ERRORS], stages=stages("{canary: {weights: [5]}}", SOAK))
        stricter = rollout(gates=[ERRORS], errorRates={"falsePromotion": 0.001})
        assert least(shadowed) < least(canary_only)
        assert least(shadowed) < least(stricter)

    def test_gates_of_every_kind_can_be_advised_about(self, linted: Linted) -> None:
        body = next(one for one in GOOD if one.path.stem == "every-kind-of-gate").body
        assert linted(yaml.safe_dump(body), "--requests-per-second", "0.001")[0] == 0

    @pytest.mark.parametrize("rate", ["0", "-1", "many", "inf", "nan"])
    def test_traffic_is_a_number(self, linted: Linted, rate: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            linted(QUIET, f"--requests-per-second={rate}")
        assert "is no number of requests greater than 0" in capsys.readouterr().err


def test_what_the_operator_reads_is_what_is_checked(linted: Linted) -> None:
    body = {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "fraud"},
        "spec": dumped(spec("2")),
    }
    assert linted(yaml.safe_dump(body))[0] == 0


def test_colour_is_for_terminals(tmp_path: Path) -> None:
    import io

    (tmp_path / "a.yaml").write_text(QUIET.replace("replicas: 3", "replicas: 0"))
    stream = io.StringIO()
    lint.run([str(tmp_path / "a.yaml")], terminal=Terminal(stream, environ={}))
    assert "\x1b" not in stream.getvalue()
