"""vLLM: HTTP counters of its API server, end-to-end latency in seconds, and how full its key-value cache is.

Written from its documentation (`docs/design/metrics.md`) and the default metrics of prometheus-fastapi-instrumentator,
which its API server mounts; not tried against the real server. The engine counts no errors: only the HTTP layer does,
by class of status. The cache gauge was renamed; whichever a release has is read.
"""

from modelrollout.adapters.families import Family

ERRORS = Family("errors", "http_requests_total", "status", 'handler=~"/v1/.+",method="POST"')
LATENCY = Family("latency", "vllm:e2e_request_latency_seconds_bucket", "le", "")
SATURATION = Family("saturation", "vllm:kv_cache_usage_perc|vllm:gpu_cache_usage_perc", "", "", aggregate="max")
