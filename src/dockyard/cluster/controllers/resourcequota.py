"""ResourceQuota: counts what a namespace uses, and counts again when something of it goes or is over."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.cluster import quota
from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, key_of
from dockyard.cluster.podresources import add
from dockyard.cluster.podstate import is_finished, is_terminating, unix
from dockyard.cluster.store import Event, Manifest

RESYNC_SECONDS = 300.0  # kube-controller-manager --resource-quota-sync-period


def controller(api: Api) -> Controller:
    return ResourceQuotaController(api)


class ResourceQuotaController:
    """Every kind counts, so this is woken by events of any kind."""

    name = "resourcequota"

    def __init__(self, api: Api) -> None:
        self._api = api

    def existing(self) -> Iterable[Key]:
        return [key_of(limits) for limits in self._api.list("ResourceQuota")]

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind == "ResourceQuota":
            # What admission charged needs no recount.
            new = event.old is None or event.old.get("spec") != event.object.get("spec")
            return (Key(event.namespace, event.name),) if new and event.type != "DELETED" else ()
        if not event.namespace:
            return ()
        # Most namespaces have none: then the event needs no reading.
        there = [Key(r.namespace, r.name) for r in self._api.store.scan("ResourceQuota", event.namespace)]
        return there if there and _gives_back(event) else ()

    def reconcile(self, key: Key) -> float | None:
        """Bring `status` in line with `spec.hard` and with what is there."""
        limits = self._api.find("ResourceQuota", key.name, key.namespace)
        if limits is None:
            return None
        hard = dict(sorted(((limits.get("spec") or {}).get("hard") or {}).items()))
        used, again = self._used(limits, hard)
        status = {"hard": hard, "used": used} if used else {"hard": hard}
        if status != limits.get("status"):
            self._api.update_status("ResourceQuota", limits | {"status": status})
        return again

    def _used(self, limits: Manifest, hard: dict[str, str]) -> tuple[dict[str, str], float]:
        now, again = self._api.clock.now(), RESYNC_SECONDS
        totals: dict[str, str] = {}
        for kind in self._api.kinds.values():
            names = [name for name in hard if kind.namespaced and quota.counts(kind, name)]
            if not names:
                continue
            objects = [
                obj
                for obj in self._api.list(kind.id, limits["metadata"]["namespace"])
                if quota.concerns(limits, kind, obj)
            ]
            summed = add(quota.usage(kind, obj, now) for obj in objects)
            totals |= {name: summed.get(name, "0") for name in names}
            if kind.kind == "Pod":
                ends = [unix(pod["metadata"]["deletionTimestamp"]) for pod in objects if is_terminating(pod)]
                again = min([again, *(end - now + 0.1 for end in ends if end >= now)])
        return dict(sorted(totals.items())), again


def _gives_back(event: Event) -> bool:
    """Whether something may use less now; what uses more was charged when it was admitted."""
    if event.type == "DELETED":
        return True
    if event.type == "MODIFIED" and event.kind == "Pod":
        old = event.old
        return old is not None and (
            is_finished(event.object) != is_finished(old)
            or is_terminating(event.object) != is_terminating(old)
        )
    return event.type == "MODIFIED" and event.kind in ("Service", "PersistentVolumeClaim")
