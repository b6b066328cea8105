"""Ephemeral containers, added to a Pod that runs: what `kubectl debug` writes."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.defaults.pods import default_pod_spec
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation.containers import validate_container

Manifest = dict[str, Any]

_PATH = "spec.ephemeralContainers"
_ALLOWED = {
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "env",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
    "targetContainerName",
}
_NOT_HERE = "cannot be set for an Ephemeral Container"


def replace(old: Manifest, sent: Manifest) -> Manifest:
    """The Pod `old` with the ephemeral containers of `sent`, defaulted, and nothing else of it."""
    listed = (sent.get("spec") or {}).get("ephemeralContainers") or []
    spec = {key: value for key, value in old["spec"].items() if key != "ephemeralContainers"}
    if listed:
        spec["ephemeralContainers"] = listed
    default_pod_spec(spec)
    return {**old, "metadata": dict(old["metadata"]), "spec": spec}


def validate(pod: Manifest, old: Manifest, errors: FieldErrors) -> None:
    """Ephemeral containers may be added, and neither be changed nor taken away."""
    spec = pod["spec"]
    names = [c["name"] for group in ("initContainers", "containers") for c in spec.get(group) or ()]
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    seen = set(names)
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        path = f"{_PATH}[{index}]"
        validate_container(container, path, volumes, errors, host_network=bool(spec.get("hostNetwork")))
        if container.get("name") in seen:
            errors.duplicate(f"{path}.name", container["name"])
        seen.add(container.get("name", ""))
        for key in container:
            if key not in _ALLOWED and container[key]:
                errors.forbidden(f"{path}.{key}", _NOT_HERE)
        target = container.get("targetContainerName")
        if target and target not in names:
            errors.not_found(f"{path}.targetContainerName", target)
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            for key in ("subPath", "subPathExpr"):
                if mount.get(key):
                    errors.forbidden(f"{path}.volumeMounts[{number}].{key}", _NOT_HERE)
    present = {container.get("name"): container for container in spec.get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in present:
            errors.forbidden(_PATH, f'existing ephemeral containers "{name}" may not be removed\n')
        elif present[name] != container:
            errors.forbidden(_PATH, f'existing ephemeral containers "{name}" may not be changed\n')
