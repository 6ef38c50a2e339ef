"""Envoy as Contour sets it up: what the gateway saw of each Service, for any model server, in milliseconds.

Tried against a recording of Envoy 1.40 behind Contour 1.33 (`tests/prometheus/expositions/envoy.txt`). Contour names
an upstream `NAMESPACE_SERVICE_PORT`, and each revision has a Service of its own, so revisions need no label. Mirrored
requests are counted too. Attempts that Envoy repeats count one by one.
"""

from modelrollout.adapters.families import Family, Source

ERRORS = Family("errors", "envoy_cluster_upstream_rq_xx", "envoy_response_code_class", "", bad="5", source=Source.ENVOY)
LATENCY = Family("latency", "envoy_cluster_upstream_rq_time_bucket", "le", "", unit_seconds=0.001, source=Source.ENVOY)
SATURATION = Family("saturation", "envoy_cluster_upstream_rq_pending_active", "", "", source=Source.ENVOY)
