"""What ConfigMaps, Secrets, Events and the policies of a namespace may be."""

from __future__ import annotations

import base64
import json
from typing import Any

from dockyard.cluster import names, quantity
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import values

Manifest = dict[str, Any]

_LIMIT = 1 << 20
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_IMMUTABLE = "field is immutable when `immutable` is set"
_QUOTA = (
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
)


def validate_configmap(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = 0
    for name, content in (("data", data), ("binaryData", binary)):
        for key, value in content.items():
            for problem in names.config_key_problems(key):
                errors.invalid(f"{name}[{key}]", key, problem)
            if name == "binaryData" and key in data:
                errors.invalid(f"{name}[{key}]", key, "duplicate of key present in `data`")
            size += len(value.encode()) if name == "data" else len(base64.b64decode(value))
    if size > _LIMIT:
        errors.too_long("[]", _LIMIT)
    _keep_immutable(obj, old, ("data", "binaryData"), errors)


def validate_secret(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    data, kind = obj.get("data") or {}, obj["type"]
    if old is not None and kind != old["type"]:
        errors.invalid("type", kind, values.IMMUTABLE)
    size = 0
    for key, value in data.items():
        for problem in names.config_key_problems(key):
            errors.invalid(f"data[{key}]", key, problem)
        size += len(base64.b64decode(value))
    if size > _LIMIT:
        errors.too_long("data", _LIMIT)
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            errors.required(f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        errors.required("data[username]")
        errors.required("data[password]")
    if kind == "kubernetes.io/dockerconfigjson" and ".dockerconfigjson" in data:
        _docker_config(base64.b64decode(data[".dockerconfigjson"]), errors)
    _keep_immutable(obj, old, ("data",), errors)


def _docker_config(content: bytes, errors: FieldErrors) -> None:
    try:
        json.loads(content)
    except ValueError:
        first = content[:1].decode("latin-1")
        problem = (
            f"invalid character {first!r} looking for beginning of value"
            if content
            else "unexpected end of JSON input"
        )
        errors.invalid("data[.dockerconfigjson]", "<secret contents redacted>", problem)


def _keep_immutable(obj: Manifest, old: Manifest | None, keys: tuple[str, ...], errors: FieldErrors) -> None:
    if old is None or not old.get("immutable"):
        return
    if not obj.get("immutable"):
        errors.forbidden("immutable", _IMMUTABLE)
    for key in keys:
        if (obj.get(key) or {}) != (old.get(key) or {}):
            errors.forbidden(key, _IMMUTABLE)


def validate_event(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    namespace = obj["metadata"]["namespace"]
    # Events about cluster-scoped objects live in the namespace default.
    if old is None and about != namespace and not (about == "" and namespace == "default"):
        errors.invalid("involvedObject.namespace", about, "does not match event.namespace")


def validate_quota(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    for name, amount in ((obj.get("spec") or {}).get("hard") or {}).items():
        path = f"spec.hard[{name}]"
        if "/" not in name and name not in _QUOTA:
            errors.invalid(path, name, "must be a standard resource type or fully qualified")
            errors.invalid(path, name, "must be a standard resource for quota")
        if quantity.parse(amount) < 0:
            errors.invalid(path, amount, values.AT_LEAST_ZERO)


def validate_limit_range(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    del old
    for index, limit in enumerate((obj.get("spec") or {}).get("limits") or ()):
        here = f"spec.limits[{index}]"
        kind = limit.get("type", "")
        if kind not in ("Container", "Pod", "PersistentVolumeClaim") and "/" not in kind:
            errors.invalid(f"{here}.type", kind, "must be a standard limit type or fully qualified")
            continue
        most = limit.get("max") or {}
        for name in sorted(most):
            bound = quantity.parse(most[name])
            asked, default = ((limit.get(key) or {}).get(name) for key in ("defaultRequest", "default"))
            if asked is not None and quantity.parse(asked) > bound:
                text = f"default request value {asked} is greater than max value {most[name]}"
                errors.invalid(f"{here}.defaultRequest[{name}]", asked, text)
            if default is not None and quantity.parse(default) > bound:
                text = f"default value {default} is greater than max value {most[name]}"
                errors.invalid(f"{here}.default[{name}]", most[name], text)  # upstream shows the bound
