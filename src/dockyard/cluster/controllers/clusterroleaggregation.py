"""ClusterRole aggregation: `admin`, `edit` and `view` grow with the ClusterRoles labelled for them."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster.access.aggregation import aggregate
from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key
from dockyard.cluster.store import Event


def controller(api: Api) -> Controller:
    return _Aggregation(api)


class _Aggregation:
    name = "clusterrole-aggregation"

    def __init__(self, api: Api) -> None:
        self._api = api

    def existing(self) -> Iterable[Key]:
        roles = self._api.list("ClusterRole")
        return [Key("", role["metadata"]["name"]) for role in roles if role.get("aggregationRule")]

    def keys(self, event: Event) -> Iterable[Key]:
        # Any role's labels may have begun or ceased to match: every aggregated role looks again.
        return self.existing() if event.kind == "ClusterRole" else ()

    def reconcile(self, key: Key) -> float | None:
        role = self._api.find("ClusterRole", key.name)
        if role is not None and role.get("aggregationRule"):
            aggregate(self._api, role)
        return None
