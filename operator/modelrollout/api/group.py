"""Names that are part of the API: group, kinds, labels, annotations, field manager.

Pods carry the deployment's name and the revision, never a role: stable and candidate swap while pods live, so a role
on a pod would be wrong at the very moment when somebody looks at it.
"""

GROUP = "modelrollout.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

MODEL_DEPLOYMENT = "ModelDeployment"
MODEL_REVISION = "ModelRevision"
GATE_TEMPLATE = "GateTemplate"
CLUSTER_GATE_TEMPLATE = "ClusterGateTemplate"
ROLLOUT_ACTION = "RolloutAction"

LABEL_NAME = f"{GROUP}/name"
LABEL_REVISION = f"{GROUP}/revision"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_COMPONENT = "app.kubernetes.io/component"

ANNOTATION_SETTINGS = f"{GROUP}/settings"
"""On an observer's Service: the digest of all that its objects were made from."""

ANNOTATION_REVISIONS = f"{GROUP}/revisions"
"""On an observer's pods: the revisions that they were started for."""

FIELD_MANAGER = "modelrollout"
"""Field manager of every server-side apply, and the value of the managed-by label."""
