"""What Services and their endpoints may be (pkg/apis/core/validation, discovery/validation)."""

from __future__ import annotations

from typing import Any

from dockyard.cluster import names
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import values

Manifest = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def validate_service(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    kind, headless = spec["type"], spec.get("clusterIP") == "None"
    ports = spec.get("ports") or ()
    if not ports and not headless and kind != "ExternalName":
        errors.required("spec.ports")
    if kind == "ExternalName":
        name = spec.get("externalName", "")
        if not name:
            errors.required("spec.externalName")
        else:
            values.subdomain(name.removesuffix("."), "spec.externalName", errors)
    _port_list(ports, kind, headless, errors)
    names.check_labels(spec.get("selector"), "spec.selector", errors)
    if spec["sessionAffinity"] not in ("ClientIP", "None"):
        errors.not_supported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None"))
    if kind not in _TYPES:
        errors.not_supported("spec.type", kind, _TYPES)
    _addresses(spec, kind, old, errors)
    _unique(ports, errors)


def _port_list(ports: Any, kind: str, headless: bool, errors: FieldErrors) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"spec.ports[{index}]"
        name = port.get("name", "")
        if not name:
            if len(ports) > 1:
                errors.required(f"{here}.name")
        else:
            values.dns_label(name, f"{here}.name", errors)
            if name in seen:
                errors.duplicate(f"{here}.name", name)
            seen.add(name)
        values.port_number(port.get("port", 0), f"{here}.port", errors)
        values.one_of(port["protocol"], ("SCTP", "TCP", "UDP"), f"{here}.protocol", errors)
        values.port_or_name(port.get("targetPort", 0), f"{here}.targetPort", errors)
        if headless and isinstance(port.get("targetPort"), int) and port["targetPort"] != port.get("port"):
            continue  # allowed: a headless Service's targetPort is what its endpoints say
        if port.get("nodePort") and kind not in ("NodePort", "LoadBalancer"):
            errors.forbidden(f"{here}.nodePort", f"may not be used when `type` is '{kind}'")


def _unique(ports: Any, errors: FieldErrors) -> None:
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port["protocol"], port.get("port", 0))
        if key in seen:
            shown = {
                "Name": "",
                "Protocol": port["protocol"],
                "AppProtocol": None,
                "Port": port.get("port", 0),
                "TargetPort": 0,
                "NodePort": 0,
            }
            errors.duplicate(f"spec.ports[{index}]", shown)
        seen.add(key)


def _addresses(spec: Manifest, kind: str, old: Manifest | None, errors: FieldErrors) -> None:
    addresses = spec.get("clusterIPs") or ()
    if addresses and addresses[0] != spec.get("clusterIP"):
        errors.invalid("spec.clusterIPs", list(addresses), "first value must match `clusterIP`")
    for index, address in enumerate(addresses):
        path = f"spec.clusterIPs[{index}]"
        if address == "None":
            if kind in ("NodePort", "LoadBalancer"):
                errors.invalid(path, address, f"may not be set to 'None' for {kind} services")
        elif address:
            values.ip_address(address, path, errors)
    if old is None or kind == "ExternalName" or old["spec"]["type"] == "ExternalName":
        return
    before = old["spec"].get("clusterIPs")
    if before and addresses and list(addresses) != before:
        errors.invalid("spec.clusterIPs[0]", list(addresses), "may not change once set")


def validate_endpoints(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    for i, subset in enumerate(obj.get("subsets") or ()):
        for j, address in enumerate(subset.get("addresses") or ()):
            values.ip_address(address.get("ip", ""), f"subsets[{i}].addresses[{j}].ip", errors)
        for j, port in enumerate(subset.get("ports") or ()):
            values.port_number(port.get("port", 0), f"subsets[{i}].ports[{j}].port", errors)


def validate_endpoint_slice(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    kind = obj.get("addressType", "")
    if not kind:
        errors.required("addressType")
    elif kind not in ("FQDN", "IPv4", "IPv6"):
        errors.not_supported("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    if old is not None and kind != old["addressType"]:
        errors.invalid("addressType", kind, values.IMMUTABLE)
    for i, endpoint in enumerate(obj.get("endpoints") or ()):
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            errors.required(f"endpoints[{i}].addresses", "must contain at least 1 address")
        for j, address in enumerate(addresses):
            if kind == "IPv4":
                values.ip_address(address, f"endpoints[{i}].addresses[{j}]", errors)
    for i, port in enumerate(obj.get("ports") or ()):
        if port.get("port") is not None:
            values.port_number(port["port"], f"ports[{i}].port", errors)


def validate_ingress(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    spec = obj.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        errors.invalid("spec", spec, "either `defaultBackend` or `rules` must be specified")
    if spec.get("defaultBackend"):
        _backend(spec["defaultBackend"], "spec.defaultBackend", errors)
    for i, rule in enumerate(spec.get("rules") or ()):
        here = f"spec.rules[{i}]"
        host = rule.get("host", "")
        if host and values.is_address(host):
            errors.invalid(f"{here}.host", host, "must be a DNS name, not an IP address")
        elif host:
            values.subdomain(host.removeprefix("*."), f"{here}.host", errors)
        for j, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            _path(path, f"{here}.http.paths[{j}]", errors)


def _path(path: Manifest, here: str, errors: FieldErrors) -> None:
    kind = path.get("pathType")
    if kind is None:
        errors.required(f"{here}.pathType", "pathType must be specified")
    elif kind in ("Exact", "Prefix"):
        if not path.get("path", "").startswith("/"):
            errors.invalid(f"{here}.path", path.get("path", ""), "must be an absolute path")
    elif kind != "ImplementationSpecific":
        allowed = ("Exact", "ImplementationSpecific", "Prefix")
        errors.not_supported(f"{here}.pathType", kind, allowed)
    _backend(path.get("backend") or {}, f"{here}.backend", errors)


def _backend(backend: Manifest, path: str, errors: FieldErrors) -> None:
    service = backend.get("service")
    if service is None:
        if backend.get("resource") is None:
            errors.invalid(path, "", "resource or service backend is required")
        return
    if not service.get("name"):
        errors.required(f"{path}.service.name")
    port = service.get("port") or {}
    if not port.get("name") and not port.get("number"):
        errors.required(path, "port name or number is required")


def validate_network_policy(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    spec = obj["spec"]
    values.label_selector(spec.get("podSelector") or {}, "spec.podSelector", errors)
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(spec.get(direction) or ()):
            for j, peer in enumerate(rule.get(peers) or ()):
                _peer(peer, f"spec.{direction}[{i}].{peers}[{j}]", errors)
    for i, kind in enumerate(spec["policyTypes"]):
        if kind not in ("Ingress", "Egress"):
            errors.not_supported(f"spec.policyTypes[{i}]", kind, ("Ingress", "Egress"), keep_order=True)


def _peer(peer: Manifest, path: str, errors: FieldErrors) -> None:
    block = peer.get("ipBlock")
    if not peer:
        errors.required(path, "must specify a peer")
    if block is None:
        return
    if len(peer) > 1:
        errors.forbidden(path, "may not specify both ipBlock and another peer")
    if not block.get("cidr"):
        errors.required(f"{path}.ipBlock.cidr")
    else:
        values.cidr(block["cidr"], f"{path}.ipBlock.cidr", errors)
