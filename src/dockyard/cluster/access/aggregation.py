"""Aggregated ClusterRoles: the rules of every ClusterRole that a selector finds, in order of their names."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.api import Api
from dockyard.cluster.selectors import matches

Manifest = dict[str, Any]


def aggregate(api: Api, role: Manifest) -> None:
    """Give a ClusterRole with an aggregationRule the rules it gathers; one that has them is left alone."""
    gathered: list[Manifest] = []
    roles = api.list("ClusterRole")
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        for other in roles:
            same = other["metadata"]["name"] == role["metadata"]["name"]
            if same or not matches(selector, other["metadata"].get("labels")):
                continue
            gathered += [rule for rule in other.get("rules") or () if rule not in gathered]
    if gathered != (role.get("rules") or []):
        api.update("ClusterRole", {**role, "rules": gathered})
