"""What a CustomResourceDefinition may be."""

from __future__ import annotations

from typing import Any

from dockyard.cluster import names
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.podstate import is_true

Manifest = dict[str, Any]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_ANY_TYPE = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")


def validate_definition(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    called, group = spec.get("names") or {}, spec.get("group", "")
    if obj["metadata"].get("name") != f"{called.get('plural', '')}.{group}":
        problem = 'must be spec.names.plural+"."+spec.group'
        errors.invalid("metadata.name", obj["metadata"].get("name", ""), problem)
    _group(group, errors)
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        if spec.get("scope"):
            errors.not_supported("spec.scope", spec["scope"], ("Cluster", "Namespaced"))
        else:
            errors.required("spec.scope")
    for field in ("plural", "singular", "kind", "listKind"):
        value = called.get(field, "")
        if not value:
            errors.required(f"spec.names.{field}")
            continue
        for problem in names.dns_label_problems(value.lower()):
            errors.invalid(f"spec.names.{field}", value, problem)
    _versions(spec.get("versions") or (), errors)
    if old is not None and is_true(old, "Established"):
        stored = old["spec"]
        for path, new_value, value in (
            ("spec.group", group, stored["group"]),
            ("spec.scope", spec.get("scope"), stored["scope"]),
            ("spec.names.kind", called.get("kind"), stored["names"]["kind"]),
            ("spec.names.plural", called.get("plural"), stored["names"]["plural"]),
        ):
            if new_value != value:
                errors.invalid(path, new_value, "field is immutable")


def _group(group: str, errors: FieldErrors) -> None:
    if not group:
        errors.required("spec.group")
        return
    for problem in names.subdomain_problems(group):
        errors.invalid("spec.group", group, problem)
    if "." not in group:
        errors.invalid("spec.group", group, "should be a domain with at least one dot")


def _versions(versions: Any, errors: FieldErrors) -> None:
    seen: set[str] = set()
    for index, version in enumerate(versions):
        path, name = f"spec.versions[{index}]", version.get("name", "")
        for problem in names.dns_label_problems(name):
            errors.invalid(f"{path}.name", name, problem)
        if name in seen:
            errors.invalid(
                "spec.versions", [each.get("name") for each in versions], "must contain unique version names"
            )
        seen.add(name)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            errors.required(f"{path}.schema.openAPIV3Schema")
        else:
            _structural(schema, f"{path}.schema.openAPIV3Schema", errors, at_root=True)
        scale = (version.get("subresources") or {}).get("scale")
        if scale is not None:
            _scale(scale, f"{path}.subresources.scale", errors)
    if sum(1 for version in versions if version.get("storage")) != 1:
        shown = [each.get("name") for each in versions]
        errors.invalid("spec.versions", shown, "must have exactly one version marked as storage version")


def _scale(scale: Manifest, path: str, errors: FieldErrors) -> None:
    for field, below in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = scale.get(field, "")
        if not value:
            errors.required(f"{path}.{field}")
        elif not value.startswith(below):
            errors.invalid(f"{path}.{field}", value, f"should be a json path under {below[:-1]}")


def _structural(schema: Manifest, path: str, errors: FieldErrors, *, at_root: bool = False) -> None:
    """The rules that make a schema structural: each value says what it is."""
    type_ = schema.get("type", "")
    if not type_:
        if at_root:
            errors.required(f"{path}.type", "must not be empty at the root")
        elif not any(schema.get(mark) for mark in _ANY_TYPE):
            errors.required(f"{path}.type", "must not be empty for specified object fields")
    elif type_ not in _TYPES:
        errors.not_supported(f"{path}.type", type_, _TYPES)
    elif at_root and type_ != "object":
        errors.invalid(f"{path}.type", type_, "must be object at the root")
    if schema.get("uniqueItems"):
        problem = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        errors.forbidden(f"{path}.uniqueItems", problem)
    if type_ == "array" and not isinstance(schema.get("items"), dict):
        errors.required(f"{path}.items", "must be specified")
    for name, inner in (schema.get("properties") or {}).items():
        if at_root and name in ("apiVersion", "kind", "metadata"):
            continue  # the server's own, whatever is said of them
        _structural(inner, f"{path}.properties[{name}]", errors)
    if isinstance(schema.get("items"), dict):
        _structural(schema["items"], f"{path}.items", errors)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        if schema.get("properties"):
            errors.forbidden(
                f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive"
            )
        _structural(extra, f"{path}.additionalProperties", errors)
