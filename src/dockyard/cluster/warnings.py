"""What is accepted and still worth a word: the Warning headers of the API server."""

from __future__ import annotations

from typing import Any

from dockyard.cluster import quantity
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.names import dns_label_problems

Manifest = dict[str, Any]


_ENDPOINTS = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


def warnings_of(kind: Kind) -> list[str]:
    """The warnings about any use of a kind."""
    return [_ENDPOINTS] if kind.key == "Endpoints" else []


def warnings_for(kind: Kind, obj: Manifest) -> list[str]:
    """The warnings about an object that was just written."""
    if kind.kind == "Endpoints":
        return warnings_of(kind)
    if kind.kind == "Pod":
        return _pod(obj.get("spec") or {}, "spec")
    if kind.kind in ("Deployment", "ReplicaSet") and dns_label_problems(obj["metadata"].get("name", "")):
        problems = ", ".join(dns_label_problems(obj["metadata"]["name"]))
        return [
            "metadata.name: this is used in Pod names and hostnames, which can result in "
            "surprising behavior; "
            f"a DNS label is recommended: [{problems}]"
        ]
    spec = obj.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    if isinstance(template, dict):
        return _pod(template.get("spec") or {}, "spec.template.spec")
    return []


def _pod(spec: Manifest, path: str) -> list[str]:
    found: list[str] = []
    ports: dict[tuple[int, str], str] = {}
    for i, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            found.append(f'{path}.imagePullSecrets[{i}].name: invalid empty name ""')
    for name in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(name) or ()):
            here = f"{path}.{name}[{i}]"
            for j, port in enumerate(container.get("ports") or ()):
                key = (port.get("containerPort", 0), port.get("protocol", "TCP"))
                place = f"{here}.ports[{j}]"
                if key in ports:
                    found.append(f"{place}: duplicate port definition with {ports[key]}")
                ports.setdefault(key, place)
            found += _fractions(container.get("resources") or {}, f"{here}.resources")
            names: set[str] = set()
            for j, variable in enumerate(container.get("env") or ()):
                place = f"{here}.env[{j}]"
                if variable["name"] in names:
                    found.append(
                        f'{place}: hides previous definition of "{variable["name"]}", which may '
                        "be dropped when using apply"
                    )
                names.add(variable["name"])
    return found


def _fractions(resources: Manifest, path: str) -> list[str]:
    """Bytes that are no whole number: `128m` is an eighth of a byte, and hardly meant."""
    found = []
    for group in ("limits", "requests"):
        for name, amount in (resources.get(group) or {}).items():
            if name in ("memory", "ephemeral-storage") and quantity.parse(amount).denominator != 1:
                where = f"{path}.{group}[{name}]"
                found.append(f'{where}: fractional byte value "{amount}" is invalid, must be an integer')
    return found
