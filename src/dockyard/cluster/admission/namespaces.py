"""Namespaces: they must exist and live to take objects, they are furnished, and some cannot be deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockyard.cluster.errors import Forbidden, NotFound
from dockyard.cluster.kinds.kind import Kind

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

PROTECTED = ("default", "kube-system", "kube-public")


def label(namespace: Manifest) -> None:
    """Give a new Namespace its name as a label, and the finalizer that holds it until it is empty."""
    name = namespace["metadata"].get("name")
    if name:
        namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    namespace["spec"] = {**(namespace.get("spec") or {}), "finalizers": ["kubernetes"]}


def keep(namespace: Manifest, old: Manifest) -> None:
    """Hold on to what an update of a Namespace may not take away."""
    labels = namespace["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = old["metadata"]["name"]
    namespace["spec"] = old.get("spec", {})


def protect(kind: Kind, name: str) -> None:
    """Refuse to delete the namespaces that a cluster cannot live without."""
    if kind.key == "Namespace" and name in PROTECTED:
        raise Forbidden.of(kind, name, "this namespace may not be deleted")


def furnish(api: Api, namespace: str) -> None:
    """Give a new namespace its default ServiceAccount and the cluster's CA.

    Differs: both are there at once; in Kubernetes two controllers bring them within a second.
    """
    if api.find("ServiceAccount", "default", namespace) is None:
        api.create("ServiceAccount", {"metadata": {"name": "default", "namespace": namespace}})
    if api.find("ConfigMap", "kube-root-ca.crt", namespace) is None:
        note = (
            "Contains a CA bundle that can be used to verify the kube-apiserver when using "
            "internal endpoints such "
            "as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
            "distributions of Kubernetes clusters."
        )
        metadata = {
            "name": "kube-root-ca.crt",
            "namespace": namespace,
            "annotations": {"kubernetes.io/description": note},
        }
        api.create("ConfigMap", {"metadata": metadata, "data": {"ca.crt": api.root_ca}})


def check(api: Api, kind: Kind, obj: Manifest, namespace: str) -> None:
    """Refuse what has no namespace to live in. Raises NotFound, Forbidden for one that is going."""
    from dockyard.cluster.kinds import KINDS

    record = api.store.get("Namespace", "", namespace)
    if record is None:
        raise NotFound.of(KINDS["Namespace"], namespace)
    if "deletionTimestamp" in record.load()["metadata"]:
        name = obj["metadata"].get("name", "")
        refusal = Forbidden.of(
            kind,
            name,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        (refusal.details or {})["causes"] = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        raise refusal
