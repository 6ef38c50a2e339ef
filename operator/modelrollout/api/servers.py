"""What each model server cannot give, and the sentence that a user gets who asks for it.

No two servers agree on metrics and half of them lack one of the signals. A gate that can never see data is refused when
it is applied, with the way out, instead of holding a rollout for hours.
"""

from modelrollout.api.gates import Signal
from modelrollout.api.rules import Rule
from modelrollout.api.serving import Server

_OWN = "use signal: Query with counters of your own, or serving.server: Envoy for those of the gateway"

MISSING: dict[tuple[Server, Signal], str] = {
    (Server.KSERVE, Signal.ERRORS): f"KServe's Python server counts no errors; {_OWN}",
    (Server.CUSTOM, Signal.ERRORS): f"nothing is known of a Custom server's errors; {_OWN}",
    (Server.CUSTOM, Signal.LATENCY): f"nothing is known of a Custom server's latency; {_OWN}",
    (Server.MLSERVER, Signal.SATURATION): "MLServer exports no gauge of its load; give a Saturation gate query.value",
    (Server.KSERVE, Signal.SATURATION): (
        "KServe's Python server exports no gauge of its load; give a Saturation gate query.value"
    ),
    (Server.CUSTOM, Signal.SATURATION): (
        "nothing is known of a Custom server's load; give a Saturation gate query.value"
    ),
}
"""Restarts come from the pods, and the other signals bring their own queries: any server can have them."""


def missing(server: Server, signal: Signal) -> Rule:
    """The rule of a ModelDeployment's spec that refuses this signal of this server."""
    gate = f"has(gate.signal) && gate.signal == '{signal}' && !has(gate.query)"
    return Rule(
        cel=f"self.serving.server != '{server}' || !has(self.rollout) || !has(self.rollout.gates) || "
        f"self.rollout.gates.all(gate, !({gate}))",
        message=f"rollout.gates: {MISSING[server, signal]}",
        holds=lambda spec: (
            spec.serving.server is not server
            or all(gate.signal is not signal or gate.query is not None for gate in spec.rollout.gates)
        ),
    )
