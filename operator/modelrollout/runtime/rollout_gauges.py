"""What a plan says about a rollout, as gauges: the same numbers that the decision record will hold."""

from modelrollout.plan import Plan
from modelrollout.runtime.queue import Key
from modelrollout.runtime.telemetry import GateFigures, RolloutFigures, Telemetry


def show(telemetry: Telemetry, key: Key, planned: Plan) -> None:
    """Gauges of a rollout that is under way; one that ended leaves none behind."""
    judgement, candidate = planned.judgement, planned.status.candidate
    if candidate is None or judgement is None:
        telemetry.remove_rollout(key)
        return
    telemetry.set_rollout(
        key,
        RolloutFigures(
            revision=candidate,
            weight_percent=planned.status.weight,
            log_harm_threshold=judgement.harm_threshold,
            log_safety_threshold=judgement.safety_threshold,
            gates=tuple(
                GateFigures(
                    gate=gate.gate,
                    log_harm=gate.log_harm,
                    log_safety=gate.log_safety,
                    candidate=gate.candidate,
                    stable=gate.stable,
                )
                for gate in judgement.gates
            ),
        ),
    )
