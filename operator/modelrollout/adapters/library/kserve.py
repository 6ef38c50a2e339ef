"""KServe's Python server: histograms of each step in seconds, with the default buckets of the Python client, no errors.

Tried against a recording of the `kserve` package (`tests/prometheus/expositions/kserve.txt`). Stable and candidate
have the same `model_name`, so only the pod tells them apart.
"""

from modelrollout.adapters.families import Family

LATENCY = Family("latency", "request_predict_seconds_bucket", "le", "")
