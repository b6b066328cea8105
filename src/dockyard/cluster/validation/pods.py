"""What a Pod and a Pod template may be (pkg/apis/core/validation)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from dockyard.cluster import names
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import placement, values
from dockyard.cluster.validation.containers import validate_container, validate_lifecycle_and_probes

Manifest = dict[str, Any]

_LEAST_TOKEN_SECONDS = 600
_UPDATE_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod(pod: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    """A new Pod, or the few changes that one may undergo."""
    if old is None:
        validate_pod_spec(pod["spec"], "spec", errors)
        if pod["spec"].get("ephemeralContainers"):
            errors.forbidden("spec.ephemeralContainers", "cannot be set on create")
        return
    for name in ("containers", "initContainers"):
        for index, container in enumerate(pod["spec"].get(name) or ()):
            if not container.get("image"):
                errors.required(f"spec.{name}[{index}].image")
    gates = [gate["name"] for gate in old["spec"].get("schedulingGates") or ()]
    for gate in pod["spec"].get("schedulingGates") or ():
        if gate["name"] not in gates:
            why = f"only deletion is allowed, but found new scheduling gate '{gate['name']}'"
            errors.forbidden("spec.schedulingGates", why)
    if _frozen(pod["spec"], old["spec"]) != _frozen(old["spec"], old["spec"]):
        # Differs: upstream appends a diff of its internal structs.
        errors.forbidden("spec", _UPDATE_RULE)
    elif any(item not in pod["spec"].get("tolerations", []) for item in old["spec"].get("tolerations", [])):
        errors.forbidden(
            "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
        )


def _frozen(spec: Manifest, old: Manifest) -> Manifest:
    """The spec without what may change."""
    kept = copy.deepcopy(spec)
    for name in ("containers", "initContainers"):
        for container in kept.get(name) or ():
            container.pop("image", None)
            container.pop("resources", None)
    for name in ("activeDeadlineSeconds", "tolerations", "resources", "schedulingGates"):
        kept.pop(name, None)
    wanted = (old.get("nodeSelector") or {}).items()
    if old.get("schedulingGates") and wanted <= (spec.get("nodeSelector") or {}).items():
        kept.pop("nodeSelector", None)  # as long as nothing was decided, the choice may be narrowed
    if old.get("terminationGracePeriodSeconds", 0) < 0:
        kept.pop("terminationGracePeriodSeconds", None)
    return kept


def validate_template(template: Manifest, path: str, errors: FieldErrors) -> None:
    metadata = template.get("metadata") or {}
    names.check_labels(metadata.get("labels"), f"{path}.labels", errors)
    names.check_annotations(metadata.get("annotations"), f"{path}.annotations", errors)
    validate_pod_spec(template["spec"], f"{path}.spec", errors)


def validate_pod_spec(
    spec: Manifest, path: str, errors: FieldErrors, *, extra_volumes: Mapping[str, Manifest] | None = None
) -> None:
    """`extra_volumes` are those that come from claim templates."""
    volumes = {**(extra_volumes or {}), **_volumes(spec.get("volumes") or (), f"{path}.volumes", errors)}
    _containers(spec, path, volumes, errors)
    policies = ("Always", "OnFailure", "Never")
    if spec["restartPolicy"] not in policies:
        errors.not_supported(f"{path}.restartPolicy", spec["restartPolicy"], policies, keep_order=True)
    _dns(spec, path, errors)
    _security(spec.get("securityContext") or {}, f"{path}.securityContext", errors)
    if spec.get("nodeName"):
        values.subdomain(spec["nodeName"], f"{path}.nodeName", errors)
    names.check_labels(spec.get("nodeSelector"), f"{path}.nodeSelector", errors)
    for key in ("serviceAccountName", "priorityClassName", "runtimeClassName"):
        if spec.get(key):
            values.subdomain(spec[key], f"{path}.{key}", errors)
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            values.dns_label(spec[key], f"{path}.{key}", errors)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2147483647:
        errors.invalid(
            f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"
        )
    placement.validate_affinity(spec.get("affinity") or {}, f"{path}.affinity", errors)
    _tolerations(spec.get("tolerations") or (), f"{path}.tolerations", errors)
    constraints = spec.get("topologySpreadConstraints") or ()
    placement.validate_spread(constraints, f"{path}.topologySpreadConstraints", errors)


def _volumes(volumes: Any, path: str, errors: FieldErrors) -> dict[str, Manifest]:
    found: dict[str, Manifest] = {}
    for index, volume in enumerate(volumes):
        here = f"{path}[{index}]"
        name = volume.get("name", "")
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        for extra in sources[1:] if len(sources) > 1 else ():
            errors.forbidden(f"{here}.{extra}", "may not specify more than 1 volume type")
        _source(volume, here, errors)
        if not name:
            errors.required(f"{here}.name")
        else:
            before = len(errors)
            values.dns_label(name, f"{here}.name", errors)
            if len(errors) == before and name in found:
                errors.duplicate(f"{here}.name", name)
        found[name] = volume
    return found


def _source(volume: Manifest, path: str, errors: FieldErrors) -> None:
    config, secret = volume.get("configMap"), volume.get("secret")
    if config is not None and not config.get("name"):
        errors.required(f"{path}.configMap.name")
    if secret is not None and not secret.get("secretName"):
        errors.required(f"{path}.secret.secretName")
    host = volume.get("hostPath")
    if host is not None and not host.get("path"):
        errors.required(f"{path}.hostPath.path")
    for index, projection in enumerate((volume.get("projected") or {}).get("sources") or ()):
        if (token := projection.get("serviceAccountToken")) is not None:
            _token(token, f"{path}.projected.sources[{index}].serviceAccountToken", errors)
    claim = volume.get("persistentVolumeClaim")
    if claim is not None and not claim.get("claimName"):
        errors.required(f"{path}.persistentVolumeClaim.claimName")


def _token(token: Manifest, path: str, errors: FieldErrors) -> None:
    seconds = token.get("expirationSeconds", 0)
    if seconds < _LEAST_TOKEN_SECONDS:
        problem = "may not specify a duration less than 10 minutes"
        errors.invalid(f"{path}.expirationSeconds", seconds, problem)
    if seconds > 1 << 32:
        problem = "may not specify a duration larger than 2^32 seconds"
        errors.invalid(f"{path}.expirationSeconds", seconds, problem)
    if not token.get("path"):
        errors.required(f"{path}.path")


def _containers(spec: Manifest, path: str, volumes: Mapping[str, Manifest], errors: FieldErrors) -> None:
    seen: set[str] = set()
    host_network = bool(spec.get("hostNetwork"))
    if not spec.get("containers"):
        errors.required(f"{path}.containers")
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            here = f"{path}.{group}[{index}]"
            validate_container(container, here, volumes, errors, host_network=host_network)
            name = container.get("name", "")
            if name and name in seen:
                errors.duplicate(f"{here}.name", name)
            seen.add(name)
            if group == "containers" or container.get("restartPolicy") == "Always":
                validate_lifecycle_and_probes(container, here, errors)
                continue
            for key in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if container.get(key) is not None:
                    errors.forbidden(
                        f"{here}.{key}", "may not be set for init containers without restartPolicy=Always"
                    )


def _dns(spec: Manifest, path: str, errors: FieldErrors) -> None:
    policy = spec["dnsPolicy"]
    allowed = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
    values.one_of(policy, allowed, f"{path}.dnsPolicy", errors)
    config = spec.get("dnsConfig")
    if policy == "None":
        if config is None:
            errors.required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        elif not config.get("nameservers"):
            errors.required(
                f"{path}.dnsConfig.nameservers",
                "must provide at least one DNS nameserver when `dnsPolicy` is None",
            )


def _security(context: Manifest, path: str, errors: FieldErrors) -> None:
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        value = context.get(key)
        if value is not None and not 0 <= value <= 2147483647:
            errors.invalid(f"{path}.{key}", value, "must be between 0 and 2147483647, inclusive")


def _tolerations(tolerations: Any, path: str, errors: FieldErrors) -> None:
    for index, toleration in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, operator, value = toleration.get("key"), toleration.get("operator"), toleration.get("value")
        if key:
            for problem in names.label_key_problems(key):
                errors.invalid(f"{here}.key", key, problem)
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.invalid(f"{here}.operator", operator or "", text)
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            errors.invalid(
                f"{here}.effect",
                toleration.get("effect", ""),
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            )
        if operator in (None, "", "Equal"):
            for problem in names.label_value_problems(value or ""):
                errors.invalid(f"{here}.operator", value, problem)
        elif operator == "Exists":
            if value:
                errors.invalid(f"{here}.operator", value, "value must be empty when `operator` is 'Exists'")
        elif operator not in ("Lt", "Gt"):
            errors.not_supported(f"{here}.operator", operator, ("Equal", "Exists"))
        if toleration.get("effect") not in (None, "", "NoSchedule", "PreferNoSchedule", "NoExecute"):
            allowed = ("NoSchedule", "PreferNoSchedule", "NoExecute")
            errors.not_supported(f"{here}.effect", toleration["effect"], allowed)
