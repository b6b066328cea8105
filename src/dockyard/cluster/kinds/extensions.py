"""The kinds by which a cluster is extended, and those that an extension of every cluster here computes."""

from __future__ import annotations

from dockyard.cluster.defaults import definitions
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.validation import definitions as definition_rules

ROWS = (
    Kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        generation=True,
        subresources=("status",),
        initial_status={"conditions": None, "acceptedNames": {"plural": "", "kind": ""}},
        begin=definitions.note_stored_version,
        default=definitions.default_definition,
        validate=definition_rules.validate_definition,
    ),
)
# What metrics-server offers.
COMPUTED = (
    Kind(
        "metrics.k8s.io",
        "v1beta1",
        "NodeMetrics",
        "nodes",
        namespaced=False,
        singular_name="",
        verbs=("get", "list"),
    ),
    Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", singular_name="", verbs=("get", "list")),
)
