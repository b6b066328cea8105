"""What is accepted and still worth a word: the Warning headers of the API server."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.kinds.kind import Kind

Manifest = dict[str, Any]


def warnings_for(kind: Kind, obj: Manifest) -> list[str]:
    """The warnings about an object that was just written."""
    if kind.kind == "Endpoints":
        return ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]
    if kind.kind == "Pod":
        return _pod(obj.get("spec") or {}, "spec")
    spec = obj.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    if isinstance(template, dict):
        return _pod(template.get("spec") or {}, "spec.template.spec")
    return []


def _pod(spec: Manifest, path: str) -> list[str]:
    found: list[str] = []
    ports: dict[tuple[int, str], str] = {}
    for name in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(name) or ()):
            here = f"{path}.{name}[{i}]"
            for j, port in enumerate(container.get("ports") or ()):
                key = (port.get("containerPort", 0), port.get("protocol", "TCP"))
                place = f"{here}.ports[{j}]"
                if key in ports:
                    found.append(f"{place}: duplicate port definition with {ports[key]}")
                ports.setdefault(key, place)
            names: set[str] = set()
            for j, variable in enumerate(container.get("env") or ()):
                place = f"{here}.env[{j}]"
                if variable["name"] in names:
                    found.append(
                        f'{place}: hides previous definition of "{variable["name"]}", which may be dropped when using apply'
                    )
                names.add(variable["name"])
    return found
