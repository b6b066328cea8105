"""The environment of a container: literal values, references to objects, Services, and `$(NAME)`."""

from __future__ import annotations

import base64
import re
from typing import Any

from dockyard.cluster.api import Api
from dockyard.cluster.quantity import parse, whole
from dockyard.cluster.store import Manifest

_REFERENCE = re.compile(r"\$\$|\$\(([^)$]*)\)")
_VALID_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class ConfigError(Exception):
    """A container can't be made as its spec says; the text is the kubelet's (CreateContainerConfigError)."""


def expand(text: str, values: dict[str, str]) -> str:
    """Replace `$(NAME)` by its value and `$$` by `$`; an unknown name stays as it is."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def environment(
    api: Api, pod: Manifest, container: Manifest, pod_ip: str, image_env: dict[str, str]
) -> dict[str, str]:
    """What the process finds in its environment; later sources win: image, Services, `envFrom`, `env`.

    Raises ConfigError when an object or key that isn't optional is missing.
    """
    namespace = pod["metadata"]["namespace"]
    services = service_environment(api, namespace, links=pod["spec"].get("enableServiceLinks", True))
    own: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        own |= _all_of(api, namespace, source)
    for entry in container.get("env") or ():
        if "valueFrom" in entry:
            value = _referenced(api, pod, container, pod_ip, entry["valueFrom"])
            if value is None:
                continue
        else:
            value = expand(entry.get("value") or "", services | own)
        own[entry["name"]] = value
    return image_env | services | own


def service_environment(api: Api, namespace: str, *, links: bool) -> dict[str, str]:
    """`WEB_SERVICE_HOST` and its relatives for each Service with an address; `kubernetes` is always there."""
    found: dict[str, str] = {}
    wanted = [service for service in api.list("Service", namespace) if links]
    master = api.find("Service", "kubernetes", "default")
    if master is not None and (namespace != "default" or not links):
        wanted.append(master)
    for service in wanted:
        address = service["spec"].get("clusterIP")
        ports = service["spec"].get("ports") or ()
        if not address or address == "None" or not ports:
            continue
        name = service["metadata"]["name"].upper().replace("-", "_")
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        first = ports[0].get("protocol", "TCP").lower()
        found[f"{name}_PORT"] = f"{first}://{address}:{ports[0]['port']}"
        for port in ports:
            if port.get("name"):
                label = port["name"].upper().replace("-", "_")
                found[f"{name}_SERVICE_PORT_{label}"] = str(port["port"])
            protocol = port.get("protocol", "TCP")
            prefix = f"{name}_PORT_{port['port']}_{protocol}"
            found[prefix] = f"{protocol.lower()}://{address}:{port['port']}"
            found[f"{prefix}_PROTO"] = protocol.lower()
            found[f"{prefix}_PORT"] = str(port["port"])
            found[f"{prefix}_ADDR"] = address
    return found


def _all_of(api: Api, namespace: str, source: Manifest) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if field in source:
            reference = source[field]
            values = object_values(api, kind, namespace, reference["name"])
            if values is None:
                if reference.get("optional"):
                    return {}
                raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
            return {
                prefix + key: value.decode(errors="replace")
                for key, value in values.items()
                if _VALID_NAME.fullmatch(prefix + key)
            }
    return {}


def object_values(api: Api, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
    """The data of a ConfigMap or Secret as bytes, or None when there is no such object."""
    found = api.find(kind, name, namespace)
    if found is None:
        return None
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def _referenced(api: Api, pod: Manifest, container: Manifest, pod_ip: str, source: Manifest) -> str | None:
    if "fieldRef" in source:
        return pod_field(pod, source["fieldRef"]["fieldPath"], pod_ip)
    if "resourceFieldRef" in source:
        return resource_field(pod, container, source["resourceFieldRef"], allocatable(api))
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if field in source:
            return _key(api, pod["metadata"]["namespace"], kind, source[field])
    raise ConfigError("invalid valueFrom: no source")


def _key(api: Api, namespace: str, kind: str, reference: Manifest) -> str | None:
    values = object_values(api, kind, namespace, reference["name"])
    optional = reference.get("optional", False)
    if values is None:
        if optional:
            return None
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    if reference["key"] not in values:
        if optional:
            return None
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
    return values[reference["key"]].decode(errors="replace")


def pod_field(pod: Manifest, path: str, pod_ip: str) -> str:
    """The value of a downward API field path. Raises ConfigError for one that isn't supported."""
    simple: dict[str, Any] = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": pod["status"].get("hostIP", ""),
        "status.hostIPs": pod["status"].get("hostIP", ""),
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
    }
    if path in simple:
        return str(simple[path])
    for field in ("labels", "annotations"):
        values = pod["metadata"].get(field) or {}
        if path == f"metadata.{field}":
            return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(values.items()))
        match = re.fullmatch(rf"metadata\.{field}\['([^']*)'\]", path)
        if match:
            return str(values.get(match[1], ""))
    raise ConfigError(f"unsupported fieldPath: {path}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def allocatable(api: Api) -> Manifest:
    """What the node offers: the value of a limit that isn't set."""
    nodes = api.list("Node")
    found: Manifest = (nodes[0].get("status") or {}).get("allocatable") or {} if nodes else {}
    return found


def resource_field(pod: Manifest, container: Manifest, reference: Manifest, node: Manifest) -> str:
    """A request or limit in units of the divisor, rounded up. Raises ConfigError for an unknown resource."""
    name = reference.get("containerName") or container["name"]
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
    target = next((c for c in containers if c["name"] == name), None)
    if target is None:
        raise ConfigError(f"container {name} not found")
    which, _, resource = reference["resource"].partition(".")
    if which not in ("limits", "requests"):
        raise ConfigError(f"unsupported container resource : {reference['resource']}")
    resources = target.get("resources") or {}
    text = (resources.get(which) or {}).get(resource)
    if text is None:
        text = node.get(resource, "0") if which == "limits" else "0"
    divisor = parse(reference.get("divisor") or "1") or parse("1")
    return str(whole(str(float(parse(text) / divisor)))) if divisor != 1 else str(whole(text))
