"""What a container may be: ports, environment, mounts, probes, resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dockyard.cluster import names
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import values

Manifest = dict[str, Any]

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_SECURITY_FIELDS = (
    "Capabilities",
    "Privileged",
    "SELinuxOptions",
    "WindowsOptions",
    "RunAsUser",
    "RunAsGroup",
    "RunAsNonRoot",
    "ReadOnlyRootFilesystem",
    "AllowPrivilegeEscalation",
    "ProcMount",
    "SeccompProfile",
    "AppArmorProfile",
)
_MAX_ID = 2147483647
_HANDLER_REQUIRED = "must specify a handler type"


def validate_container(
    container: Manifest,
    path: str,
    volumes: Mapping[str, Manifest],
    errors: FieldErrors,
    *,
    host_network: bool,
) -> None:
    """Everything about a container but its name being unique."""
    name, image = container.get("name", ""), container.get("image", "")
    if not name:
        errors.required(f"{path}.name")
    else:
        values.dns_label(name, f"{path}.name", errors)
    if not image:
        errors.required(f"{path}.image")
    elif image != image.strip():
        errors.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    policy = container["terminationMessagePolicy"]
    values.one_of(policy, ("FallbackToLogsOnError", "File"), f"{path}.terminationMessagePolicy", errors)
    _ports(container.get("ports") or (), f"{path}.ports", errors, host_network=host_network)
    _environment(container.get("env") or (), f"{path}.env", errors)
    _mounts(container.get("volumeMounts") or (), f"{path}.volumeMounts", volumes, errors)
    pull = container["imagePullPolicy"]
    values.one_of(pull, ("Always", "IfNotPresent", "Never"), f"{path}.imagePullPolicy", errors)
    values.resources(container["resources"], f"{path}.resources", errors)
    _security(container.get("securityContext") or {}, f"{path}.securityContext", errors)


def validate_lifecycle_and_probes(container: Manifest, path: str, errors: FieldErrors) -> None:
    for name, hook in (container.get("lifecycle") or {}).items():
        if name in ("postStart", "preStop"):
            _handler(hook, f"{path}.lifecycle.{name}", errors)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        here = f"{path}.{name}"
        _handler(probe, here, errors)
        for key in (
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ):
            values.non_negative(probe.get(key), f"{here}.{key}", errors)
        if name != "readinessProbe" and probe.get("successThreshold") not in (1, None):
            errors.invalid(f"{here}.successThreshold", probe["successThreshold"], "must be 1")
        grace = probe.get("terminationGracePeriodSeconds")
        if grace is not None and grace <= 0:
            errors.invalid(f"{here}.terminationGracePeriodSeconds", grace, "must be greater than 0")


def _ports(ports: Any, path: str, errors: FieldErrors, *, host_network: bool) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        name, number = port.get("name"), port.get("containerPort", 0)
        if name:
            problems = names.port_name_problems(name)
            for problem in problems:
                errors.invalid(f"{here}.name", name, problem)
            if not problems and name in seen:
                errors.duplicate(f"{here}.name", name)
            seen.add(name)
        if not number:
            errors.required(f"{here}.containerPort")
        else:
            values.port_number(number, f"{here}.containerPort", errors)
        if port.get("hostPort"):
            values.port_number(port["hostPort"], f"{here}.hostPort", errors)
            if host_network and port["hostPort"] != number:
                text = "must match `containerPort` when `hostNetwork` is true"
                errors.invalid(f"{here}.hostPort", port["hostPort"], text)
        values.one_of(port["protocol"], ("SCTP", "TCP", "UDP"), f"{here}.protocol", errors)


def _environment(variables: Any, path: str, errors: FieldErrors) -> None:
    for index, variable in enumerate(variables):
        here = f"{path}[{index}]"
        name, source = variable.get("name", ""), variable.get("valueFrom")
        if not name:
            errors.required(f"{here}.name")
        elif not re.fullmatch(r"[ -<>-~]+", name):
            allowed = "printable ASCII characters other than '='"
            text = f"a valid environment variable name must consist only of {allowed}"
            errors.invalid(f"{here}.name", name, text)
        if source is None:
            continue
        set_ = [key for key in _SOURCES if source.get(key) is not None]
        if not set_:
            listed = ", ".join(f"`{key}`" for key in _SOURCES[:-1]) + f" or `{_SOURCES[-1]}`"
            errors.invalid(f"{here}.valueFrom", "", f"must specify one of: {listed}")
        elif variable.get("value"):
            errors.invalid(f"{here}.valueFrom", "", "may not be specified when `value` is not empty")
        elif len(set_) > 1:
            errors.invalid(f"{here}.valueFrom", "", "may not have more than one field specified at a time")
        if source.get("fieldRef") is not None:
            _field_reference(source["fieldRef"], f"{here}.valueFrom.fieldRef", errors)
        for key in ("configMapKeyRef", "secretKeyRef"):
            if source.get(key) is not None:
                if not source[key].get("name"):
                    errors.required(f"{here}.valueFrom.{key}.name")
                if not source[key].get("key"):
                    errors.required(f"{here}.valueFrom.{key}.key")


def _field_reference(reference: Manifest, path: str, errors: FieldErrors) -> None:
    field = reference.get("fieldPath", "")
    if not field:
        errors.required(f"{path}.fieldPath")
        return
    if re.fullmatch(r"metadata\.(labels|annotations)\['[^']+'\]", field) or field in _FIELD_PATHS:
        return
    errors.invalid(
        f"{path}.fieldPath", field, f"error converting fieldPath: field label not supported: {field}"
    )


def _mounts(mounts: Any, path: str, volumes: Mapping[str, Manifest], errors: FieldErrors) -> None:
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        here = f"{path}[{index}]"
        name, target = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.required(f"{here}.name")
        elif name not in volumes:
            errors.not_found(f"{here}.name", name)
        if not target:
            errors.required(f"{here}.mountPath")
        elif target in paths:
            errors.invalid(f"{here}.mountPath", target, "must be unique")
        paths.add(target)
        for key in ("subPath", "subPathExpr"):
            inner = mount.get(key, "")
            if inner.startswith("/"):
                errors.invalid(f"{path}.{key}", inner, "must be a relative path")
            elif ".." in inner.split("/"):
                errors.invalid(f"{path}.{key}", inner, "must not contain '..'")


def _handler(handler: Manifest, path: str, errors: FieldErrors) -> None:
    found = [key for key in _HANDLERS if handler.get(key) is not None]
    if not found:
        errors.required(path, _HANDLER_REQUIRED)
    for extra in found[1:]:
        errors.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    if not found:
        return
    kind, action = found[0], handler[found[0]]
    here = f"{path}.{kind}"
    if kind == "exec" and not action.get("command"):
        errors.required(f"{here}.command")
    elif kind == "httpGet":
        if not action.get("path"):
            errors.required(f"{here}.path")
        values.port_or_name(action.get("port", 0), f"{here}.port", errors)
        values.one_of(action["scheme"], ("HTTP", "HTTPS"), f"{here}.scheme", errors)
        for header in action.get("httpHeaders") or ():
            if not re.fullmatch(r"[-A-Za-z0-9]+", header.get("name", "")):
                text = (
                    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                    "'X-Header-Name', "
                    "regex used for validation is '[-A-Za-z0-9]+')"
                )
                errors.invalid(f"{here}.httpHeaders", header.get("name", ""), text)
    elif kind == "tcpSocket":
        values.port_or_name(action.get("port", 0), f"{here}.port", errors)
    elif kind == "grpc":
        values.port_number(action.get("port", 0), f"{here}.port", errors)
    elif kind == "sleep" and action.get("seconds", 0) < 0:
        errors.invalid(f"{here}.seconds", action["seconds"], values.AT_LEAST_ZERO)


def _security(context: Manifest, path: str, errors: FieldErrors) -> None:
    for key in ("runAsUser", "runAsGroup"):
        value = context.get(key)
        if value is not None and not 0 <= value <= _MAX_ID:
            errors.invalid(f"{path}.{key}", value, f"must be between 0 and {_MAX_ID}, inclusive")
    if context.get("allowPrivilegeEscalation") is False and context.get("privileged"):
        shown = {name: context.get(name[0].lower() + name[1:]) for name in _SECURITY_FIELDS}
        errors.invalid(path, shown, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
