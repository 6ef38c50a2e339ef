"""Gates from templates: read once for each rollout, and a missing one holds."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from modelrollout.api.gates import Gate, PromotionMargin, Queries, Signal, TemplateKind, TemplateRef, Tolerance
from modelrollout.api.gatetemplate import GateTemplateSpec
from modelrollout.api.modeldeployment import ModelDeploymentSpec, StageName
from modelrollout.api.serving import Server
from modelrollout.plan import plan
from modelrollout.plan.gates import policy_digest, restored, stored
from modelrollout.plan.observation import Observation, Trouble
from modelrollout.plan.templates import Resolved, resolve
from tests.builders import BAD, CANARY, ERRORS, FEW, NOW, SOAK, evidence, id_of, pod, reading, rolling, spec

SLOW = TemplateRef(name="slow")
EVERYWHERE = TemplateRef(kind=TemplateKind.CLUSTER, name="refused")
LATENCY = GateTemplateSpec(signal=Signal.LATENCY, over="250ms", tolerate=Tolerance(points=1))
STRICT = GateTemplateSpec(signal=Signal.LATENCY, over="100ms", tolerate=Tolerance(points=1))
REFUSED = GateTemplateSpec(
    signal=Signal.QUERY, query=Queries(total='n{p="{{pods}}"}', bad='b{p="{{pods}}"}'), description="Refusals"
)


def named(ref: TemplateRef = SLOW, **fields: object) -> Gate:
    return Gate.model_validate({"name": "gate", "template": ref.model_dump(mode="json"), **fields})


def finds(known: Mapping[TemplateRef, GateTemplateSpec]) -> Callable[[TemplateRef], GateTemplateSpec | str]:
    return lambda ref: known.get(ref, f"there is no {ref}")


def resolved(
    *gates: Gate,
    known: Mapping[TemplateRef, GateTemplateSpec] | None = None,
    frozen: Mapping[TemplateRef, GateTemplateSpec] | None = None,
    of: ModelDeploymentSpec | None = None,
) -> Resolved:
    wanted = of or spec("2", gates=gates)
    return resolve(
        wanted, frozen=frozen or {}, find=finds({SLOW: LATENCY, EVERYWHERE: REFUSED} if known is None else known)
    )


def test_a_gate_is_written_out_from_its_template() -> None:
    found = resolved(named(), named(EVERYWHERE, name="other", weight=3))
    slow, refused = found.spec.rollout.gates
    assert (slow.name, slow.signal, slow.over, slow.tolerate_points, slow.template) == (
        "gate",
        Signal.LATENCY,
        "250ms",
        1,
        None,
    )
    assert (refused.name, refused.query, refused.weight) == ("other", REFUSED.query, 3)
    assert found.templates == {SLOW: LATENCY, EVERYWHERE: REFUSED}
    assert found.unresolved is None


def test_its_own_tolerances_come_first() -> None:
    (gate,) = resolved(named(tolerate={"ratio": 1.3}, promote_within={"points": 9})).spec.rollout.gates
    assert (gate.ratio, gate.tolerate_points, gate.margin_points) == (1.3, 1, 9)


def test_without_templates_the_spec_stays_as_it_is() -> None:
    of = spec("2", gates=(ERRORS,))
    assert resolve(of, frozen={}, find=finds({})).spec is of


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (named(TemplateRef(name="none")), "gate gate: there is no GateTemplate none"),
        (named(promote_within={"points": 0.5}), "gate gate: GateTemplate slow: promoteWithin.points must be greater"),
        (named(tolerate={"amount": 1}), "gate gate: GateTemplate slow: amount: only a Gauge"),
    ],
)
def test_what_cannot_be_written_out_is_told_and_left_out(gate: Gate, told: str) -> None:
    found = resolved(ERRORS, gate)
    assert found.unresolved is not None
    assert told in found.unresolved
    assert found.spec.rollout.gates == (ERRORS,)


def test_a_template_that_the_server_cannot_serve_is_told_with_the_way_out() -> None:
    errors = TemplateRef(name="errors")
    of = spec("2", gates=(named(errors),))
    of = of.model_copy(update={"serving": of.serving.model_copy(update={"server": Server.KSERVE})})
    found = resolved(known={errors: GateTemplateSpec(signal=Signal.ERRORS)}, of=of)
    assert "KServe's Python server counts no errors; use signal: Query" in (found.unresolved or "")


def test_a_rollout_keeps_the_template_that_it_began_with() -> None:
    found = resolved(named(), known={SLOW: STRICT}, frozen={SLOW: LATENCY})
    assert found.spec.rollout.gates[0].over == "250ms"
    deleted = resolved(named(), known={}, frozen={SLOW: LATENCY})
    assert deleted.unresolved is None
    assert deleted.spec.rollout.gates[0].over == "250ms"


def test_the_digest_is_that_of_the_gates_as_written_out() -> None:
    one, other = resolved(named()), resolved(named(), known={SLOW: STRICT})
    by_hand = Gate(name="gate", signal=Signal.LATENCY, over="250ms", tolerate=Tolerance(points=1))
    assert policy_digest(one.spec.rollout) == policy_digest(spec("2", gates=(by_hand,)).rollout)
    assert policy_digest(one.spec.rollout) != policy_digest(other.spec.rollout)


def test_templates_are_written_with_the_evidence_and_read_back() -> None:
    found = resolved(named(), named(EVERYWHERE, name="other"))
    given = rolling(found.spec, StageName.CANARY, weight=5)
    given = replace(given, reading=reading(FEW, gates=found.spec.rollout.gates), templates=found.templates)

    planned = plan(given, NOW)

    assert planned.evidence is not None
    written = planned.revisions[id_of(found.spec)].evidence
    assert written is not None
    assert [(one.kind, one.name) for one in written.templates] == [
        (TemplateKind.NAMESPACED, "slow"),
        (TemplateKind.CLUSTER, "refused"),
    ]
    again = restored(written, revision=id_of(found.spec))
    assert {ref: one.signal for ref, one in again.templates.items()} == {
        SLOW: Signal.LATENCY,
        EVERYWHERE: Signal.QUERY,
    }
    assert again.templates[SLOW] == LATENCY
    assert stored(again) == written.model_copy(update={"numbers": None})


def holding(**changes: object) -> Observation:
    given = rolling(spec("2"), StageName.CANARY, weight=25)
    return replace(given, unresolved="gate slow: there is no GateTemplate slow", **changes)  # type: ignore[arg-type]


def test_a_missing_template_holds_with_its_reason_and_rolls_nothing_back() -> None:
    known = evidence(FEW, of=spec("2"))

    planned = plan(holding(evidence=known), NOW)

    ready, stalled = planned.status.conditions[0], planned.status.conditions[2]
    assert (planned.status.stage, planned.status.weight, planned.status.rejected) == (StageName.CANARY, 25, None)
    assert (ready.reason, stalled.status) == ("GateTemplateMissing", "True")
    assert "there is no GateTemplate slow" in ready.message
    assert [notice.reason for notice in planned.notices] == ["GateTemplateMissing"]
    assert planned.wants_readings


def test_it_goes_on_when_the_template_is_there() -> None:
    first = plan(holding(), NOW)
    found = replace(holding(), status=first.status, unresolved=None)
    assert plan(found, NOW).status.conditions[0].reason != "GateTemplateMissing"


def test_what_rolls_back_does_so_meanwhile() -> None:
    of = spec("2")
    harmful = holding(evidence=evidence(BAD, of=of))
    crashing = replace(
        rolling(of, StageName.CANARY, weight=25, pods=(pod(Trouble.CRASH_LOOP, of=of),)), unresolved="gate slow: gone"
    )
    for given in (harmful, crashing):
        assert plan(given, NOW).status.rejected == id_of(of)


def test_a_soak_needs_no_gates() -> None:
    of = spec("2", stages=(CANARY, SOAK))
    given = replace(rolling(of, StageName.SOAK, weight=100, since=30), unresolved="gate slow: gone")
    assert plan(given, NOW).status.conditions[0].reason == "Soaking"


def test_the_gate_of_a_promotion_margin_from_the_template_stays() -> None:
    template = GateTemplateSpec(signal=Signal.ERRORS, promote_within=PromotionMargin(points=4))
    (gate,) = resolved(named(), known={SLOW: template}).spec.rollout.gates
    assert gate.margin_points == 4
