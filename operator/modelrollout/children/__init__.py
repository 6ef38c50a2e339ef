"""The Kubernetes objects that a plan wants, as plain dictionaries for server-side apply. Pure, one file a kind.

A manifest holds only what the operator owns; what others add to an object stays theirs.
"""

from modelrollout.children.config import Reader, config_manifest
from modelrollout.children.observer import observer_belongings, observer_workload
from modelrollout.children.owner import Owner
from modelrollout.children.revision import revision_manifest
from modelrollout.children.route import route_manifest
from modelrollout.children.service import entry_manifest, service_manifest
from modelrollout.children.workload import workload_manifest

__all__ = [
    "Owner",
    "Reader",
    "config_manifest",
    "entry_manifest",
    "observer_belongings",
    "observer_workload",
    "revision_manifest",
    "route_manifest",
    "service_manifest",
    "workload_manifest",
]
