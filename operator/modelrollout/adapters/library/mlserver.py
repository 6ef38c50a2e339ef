"""MLServer: REST counters and histogram in seconds. Tried against a recording of 1.7.1 (`demo/server/exposition.txt`).

Its own `model_infer_request_failure_total` counts malformed requests as failures of the model, and its own duration is
a summary without quantiles; so the REST layer is read, where 5xx is the server's fault and 4xx the sender's.
"""

from modelrollout.adapters.families import Family

# MLServer reports its routes, not the paths that were asked for: the braces are literally in the label.
_INFER = 'method="POST",path=~"/v2/models/[{]model_name[}](/versions/[{]model_version[}])?/infer"'

ERRORS = Family("errors", "rest_server_requests_total", "status_code", _INFER)
LATENCY = Family("latency", "rest_server_request_duration_seconds_bucket", "le", _INFER)
