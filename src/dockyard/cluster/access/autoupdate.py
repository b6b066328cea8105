"""The default roles and bindings, made or made whole again at each start of the API server."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.access import roles
from dockyard.cluster.access.aggregation import aggregate
from dockyard.cluster.access.rules import missing
from dockyard.cluster.api import Api

Manifest = dict[str, Any]

_AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"


def bootstrap(api: Api) -> None:
    """Create what is missing, and give back rules and subjects that were taken from what is there.

    What was added stays. An object whose annotation `autoupdate` is "false" is left alone, as in upstream.
    """
    for role in roles.cluster_roles():
        _restore(api, "ClusterRole", role, "rules")
    for binding in roles.cluster_role_bindings():
        _restore(api, "ClusterRoleBinding", binding, "subjects")
    for name in roles.AGGREGATED:
        role = api.get("ClusterRole", name)
        # The controller does it too; but the first request must not find `view` without a rule.
        if role.get("aggregationRule"):
            aggregate(api, role)


def _restore(api: Api, kind: str, wanted: Manifest, field: str) -> None:
    present = api.find(kind, wanted["metadata"]["name"])
    if present is None:
        api.create(kind, wanted)
        return
    if (present["metadata"].get("annotations") or {}).get(_AUTO_UPDATE) == "false":
        return
    held = present.get(field) or []
    if field == "rules":
        lacking = missing(held, wanted[field])
    else:
        lacking = [subject for subject in wanted[field] if subject not in held]
    if lacking:
        api.update(kind, {**present, field: held + lacking})
