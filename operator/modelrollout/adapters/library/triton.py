"""NVIDIA Triton: counters of requests, a histogram in milliseconds if asked for, and the length of its queue.

Written from its documentation of metrics (server repository, `docs/user_guide/metrics.md`), not tried against the real
server. Requests that the sender cancelled are nobody's fault and count neither as good nor as bad. The histogram exists
only with `--metrics-config histogram_latencies=true`; without it a Latency gate finds no data. It measures the time to
the first response.
"""

from modelrollout.adapters.families import Family

ERRORS = Family(
    "errors",
    "nv_inference_request_success|nv_inference_request_failure",
    "__name__",
    'reason!="CANCELED"',
    bad="nv_inference_request_failure",
)
LATENCY = Family("latency", "nv_inference_first_response_histogram_ms_bucket", "le", "", unit_seconds=0.001)
SATURATION = Family("saturation", "nv_inference_pending_request_count", "", "")
