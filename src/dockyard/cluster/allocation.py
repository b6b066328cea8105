"""Addresses and node ports of Services."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable
from typing import Any

from dockyard.cluster.errors import Invalid
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.store import Store

Manifest = dict[str, Any]

SERVICE_RANGE = ipaddress.ip_network("10.96.0.0/16")
NODE_PORTS = range(30000, 32768)


def allocate(store: Store, service: Manifest, old: Manifest | None, *, dry_run: bool) -> None:
    """Give the Service what its type needs and it has not asked for, and hold its wishes against others.

    A dry run reserves nothing, so it also refuses nothing (as upstream). Raises Invalid.
    """
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    others = [
        record.load() for record in store.scan("Service") if _is_other(record.namespace, record.name, service)
    ]
    errors = FieldErrors()
    _allocate_address(spec, old, others, errors, dry_run=dry_run)
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _allocate_ports(spec, others, errors, dry_run=dry_run)
    if errors:
        raise Invalid.of("Service", service["metadata"]["name"], errors)


def _is_other(namespace: str, name: str, service: Manifest) -> bool:
    return (namespace, name) != (service["metadata"]["namespace"], service["metadata"]["name"])


def _allocate_address(
    spec: Manifest, old: Manifest | None, others: Iterable[Manifest], errors: FieldErrors, *, dry_run: bool
) -> None:
    address = spec.get("clusterIP")
    if address == "None" or (old is not None and address and old["spec"].get("clusterIP") == address):
        return
    taken = {other["spec"].get("clusterIP") for other in others}
    if address:
        problem = ""
        if ipaddress.ip_address(address) not in SERVICE_RANGE:
            problem = "the provided network does not match the current range"
            if dry_run:  # which upstream words in another way
                problem = (
                    f"the provided IP ({address}) is not in the valid range. "
                    f"The range of valid IPs is {SERVICE_RANGE}"
                )
        elif address in taken and not dry_run:
            problem = "provided IP is already allocated"
        if problem:
            errors.invalid("spec.clusterIPs", [address], f"failed to allocate IP {address}: {problem}")
    else:
        # The lower part of the range is left to addresses chosen by hand, as upstream leaves it.
        while not address or address in taken:
            address = str(SERVICE_RANGE[random.randrange(257, SERVICE_RANGE.num_addresses - 1)])
    spec["clusterIP"] = address
    spec["clusterIPs"] = [address]


def _allocate_ports(
    spec: Manifest, others: Iterable[Manifest], errors: FieldErrors, *, dry_run: bool
) -> None:
    taken = {
        (port.get("protocol"), port["nodePort"])
        for other in others
        for port in other["spec"].get("ports") or ()
        if port.get("nodePort")
    }
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        return
    for index, port in enumerate(spec.get("ports") or ()):
        wanted = port.get("nodePort")
        path = f"spec.ports[{index}].nodePort"
        if wanted and not dry_run:
            if wanted not in NODE_PORTS:
                span = f"{NODE_PORTS[0]}-{NODE_PORTS[-1]}"
                errors.invalid(
                    path,
                    wanted,
                    f"provided port is not in the valid range. The range of valid ports is {span}",
                )
            elif (port.get("protocol"), wanted) in taken:
                errors.invalid(path, wanted, "provided port is already allocated")
        while not port.get("nodePort"):
            candidate = random.choice(NODE_PORTS)
            if (port.get("protocol"), candidate) not in taken:
                port["nodePort"] = candidate
        taken.add((port.get("protocol"), port["nodePort"]))
