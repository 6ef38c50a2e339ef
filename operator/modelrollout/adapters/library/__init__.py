"""The built-in queries of each model server, by signal; one file a server.

What a server cannot give is listed in `modelrollout.api.servers`, where a manifest that asks for it is refused.
"""

from modelrollout.adapters.families import Family
from modelrollout.adapters.library import envoy, kserve, mlserver, observer, triton, vllm
from modelrollout.api.gates import Signal
from modelrollout.api.serving import Server

FAMILIES: dict[tuple[Server, Signal], Family] = {
    (Server.MLSERVER, Signal.ERRORS): mlserver.ERRORS,
    (Server.MLSERVER, Signal.LATENCY): mlserver.LATENCY,
    (Server.KSERVE, Signal.LATENCY): kserve.LATENCY,
    (Server.TRITON, Signal.ERRORS): triton.ERRORS,
    (Server.TRITON, Signal.LATENCY): triton.LATENCY,
    (Server.TRITON, Signal.SATURATION): triton.SATURATION,
    (Server.VLLM, Signal.ERRORS): vllm.ERRORS,
    (Server.VLLM, Signal.LATENCY): vllm.LATENCY,
    (Server.VLLM, Signal.SATURATION): vllm.SATURATION,
    (Server.ENVOY, Signal.ERRORS): envoy.ERRORS,
    (Server.ENVOY, Signal.LATENCY): envoy.LATENCY,
    (Server.ENVOY, Signal.SATURATION): envoy.SATURATION,
    **{(server, Signal.AGREEMENT): observer.AGREEMENT for server in Server},
    **{(server, Signal.DISTRIBUTION): observer.VALUES_OF_OUTPUTS for server in Server},
}

BUILT_IN = (Signal.ERRORS, Signal.LATENCY, Signal.SATURATION)
"""Signals that a server can have queries for. Restarts are read from pods; others bring their own."""
