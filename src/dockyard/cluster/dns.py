"""The cluster's DNS records, as CoreDNS makes them from Services and their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.node.services import GROUP
from dockyard.cluster.proxy import SERVICE_NAME
from dockyard.cluster.store import Event, Manifest

DOMAIN = "svc.cluster.local"

Names = dict[str, tuple[str, ...]]
Services = dict[str, tuple[tuple[str, int], ...]]


class NameTable(Protocol):
    """The part of the network that answers names."""

    def set_names(self, group: str, names: Mapping[str, Sequence[str]]) -> None: ...
    def set_srv(self, group: str, name: str, targets: Sequence[tuple[str, int]]) -> None: ...


def records(service: Manifest, slices: Iterable[Manifest]) -> tuple[Names, Services]:
    """Addresses by name and SRV targets by name, for one Service.

    A Service with an address has that; a headless one has its ready endpoints, each also under its hostname.
    Differs: an ExternalName has no record, and there are no reverse and no `pod.cluster.local` names.
    """
    metadata, spec = service["metadata"], service["spec"]
    own = f"{metadata['name']}.{metadata['namespace']}.{DOMAIN}"
    address = spec.get("clusterIP")
    if not address:
        return {}, {}
    names: Names = {}
    srv: Services = {}
    if address != "None":
        names[own] = (address,)
        for port in spec.get("ports", ()):
            if port.get("name"):
                srv[f"_{port['name']}._{port.get('protocol', 'TCP').lower()}.{own}"] = ((own, port["port"]),)
        return names, srv
    every: list[str] = []
    targets: dict[str, list[tuple[str, int]]] = {}
    for found in slices:
        for endpoint in found.get("endpoints") or ():
            if not (endpoint.get("conditions") or {}).get("ready", True):
                continue
            ip = endpoint["addresses"][0]
            host = f"{endpoint.get('hostname') or ip.replace('.', '-')}.{own}"
            every.append(ip)
            names[host] = (ip,)
            for port in found.get("ports") or ():
                if port.get("name"):
                    record = f"_{port['name']}._{port.get('protocol', 'TCP').lower()}.{own}"
                    targets.setdefault(record, []).append((host, port["port"]))
    names[own] = tuple(every)
    return names, srv | {record: tuple(found) for record, found in targets.items()}


class ClusterDns:
    """Keeps the network's names like the API's."""

    def __init__(self, api: Api, table: NameTable) -> None:
        self._api = api
        self._table = table
        self._known: dict[Key, tuple[Names, Services]] = {}

    def controller(self) -> Controller:
        """The loop that feeds the table."""

        def service_of(event: Event) -> Iterable[Key]:
            name = event.object["metadata"].get("labels", {}).get(SERVICE_NAME)
            return (Key(event.namespace, name),) if name else ()

        return KindController(
            self._api,
            "dns",
            "Service",
            self._look,
            triggers={"EndpointSlice": service_of},
            removed=lambda _, key: self._set(key, {}, {}),
        )

    def _look(self, api: Api, service: Manifest) -> None:
        metadata = service["metadata"]
        slices = api.list("EndpointSlice", metadata["namespace"], labels={SERVICE_NAME: metadata["name"]})
        self._set(key_of(service), *records(service, slices))

    def _set(self, key: Key, names: Names, srv: Services) -> None:
        old_names, old_srv = self._known.get(key, ({}, {}))
        if (names, srv) == (old_names, old_srv):
            return
        self._known[key] = (names, srv)
        if not names and not srv:
            del self._known[key]
        gone: dict[str, tuple[str, ...]] = dict.fromkeys(old_names.keys() - names.keys(), ())
        changed = {name: addresses for name, addresses in names.items() if old_names.get(name) != addresses}
        self._table.set_names(GROUP, gone | changed)
        for record in old_srv.keys() - srv.keys():
            self._table.set_srv(GROUP, record, ())
        for record, targets in srv.items():
            if old_srv.get(record) != targets:
                self._table.set_srv(GROUP, record, targets)
