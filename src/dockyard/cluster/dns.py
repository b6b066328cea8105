"""The cluster's DNS records, as CoreDNS makes them from Services and their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

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
    def set_alias(self, group: str, name: str, target: str) -> None: ...


class Records(NamedTuple):
    """Addresses by name, SRV targets by name, and what a name stands for."""

    names: Names
    srv: Services
    aliases: dict[str, str]


NOTHING = Records({}, {}, {})


def records(service: Manifest, slices: Iterable[Manifest]) -> Records:
    """What one Service is known by.

    A Service with an address has that; a headless one has its ready endpoints, each also under its hostname;
    an ExternalName is another name. Differs: there are no `pod.cluster.local` names.
    """
    metadata, spec = service["metadata"], service["spec"]
    own = f"{metadata['name']}.{metadata['namespace']}.{DOMAIN}"
    if spec.get("type") == "ExternalName":
        return Records({}, {}, {own: spec["externalName"]})
    address = spec.get("clusterIP")
    if not address:
        return NOTHING
    names: Names = {}
    srv: Services = {}
    if address != "None":
        names[own] = (address,)
        for port in spec.get("ports", ()):
            if port.get("name"):
                srv[f"_{port['name']}._{port.get('protocol', 'TCP').lower()}.{own}"] = ((own, port["port"]),)
        return Records(names, srv, {})
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
    return Records(names, {record: tuple(found) for record, found in targets.items()}, {})


class ClusterDns:
    """Keeps the network's names like the API's."""

    def __init__(self, api: Api, table: NameTable) -> None:
        self._api = api
        self._table = table
        self._known: dict[Key, Records] = {}

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
            removed=lambda _, key: self._set(key, NOTHING),
        )

    def _look(self, api: Api, service: Manifest) -> None:
        metadata = service["metadata"]
        slices = api.list("EndpointSlice", metadata["namespace"], labels={SERVICE_NAME: metadata["name"]})
        self._set(key_of(service), records(service, slices))

    def _set(self, key: Key, new: Records) -> None:
        old = self._known.get(key, NOTHING)
        if new == old:
            return
        self._known[key] = new
        if new == NOTHING:
            del self._known[key]
        gone: dict[str, tuple[str, ...]] = dict.fromkeys(old.names.keys() - new.names.keys(), ())
        changed = {name: found for name, found in new.names.items() if old.names.get(name) != found}
        self._table.set_names(GROUP, gone | changed)
        for record in old.srv.keys() - new.srv.keys():
            self._table.set_srv(GROUP, record, ())
        for record, targets in new.srv.items():
            if old.srv.get(record) != targets:
                self._table.set_srv(GROUP, record, targets)
        for name in old.aliases.keys() - new.aliases.keys():
            self._table.set_alias(GROUP, name, "")
        for name, target in new.aliases.items():
            self._table.set_alias(GROUP, name, target)
