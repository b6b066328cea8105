"""Makes the two compact schema files of the API server from the schemas that kubernetes-validate ships.

    pip download --no-deps kubernetes-validate==1.37.0
    python tools/kubernetes_schema.py kubernetes_validate*.whl

The schemas are those of Kubernetes (Apache-2.0). Written are, in src/dockyard/cluster/data/:
`types.json.xz`, field types and merge keys, for checking and patching; and `openapi.json.xz`, the same
definitions with their descriptions in OpenAPI's form, for `kubectl explain` and `apply`.
"""

from __future__ import annotations

import json
import lzma
import sys
import zipfile
from pathlib import Path
from typing import Any

from dockyard.cluster.kinds import KINDS

SOURCE = "kubernetes_validate/kubernetes-json-schema/v1.36.0-local/_definitions.json"
TARGET = Path(__file__).parent.parent / "src/dockyard/cluster/data"
EXTRA_KINDS = (
    ("autoscaling", "v1", "HorizontalPodAutoscaler"),
    ("autoscaling", "v1", "Scale"),
    ("", "v1", "Binding"),
    ("policy", "v1", "Eviction"),
    ("authentication.k8s.io", "v1", "TokenRequest"),
    ("authentication.k8s.io", "v1", "SelfSubjectReview"),
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "v1", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "v1", "SubjectAccessReview"),
)
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "Q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "I",
    META + "Time": "T",
    META + "MicroTime": "M",
    META + "FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    # What a schema may hold beside schemas: any JSON.
    **dict.fromkeys(
        (
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1." + name
            for name in (
                "JSON",
                "JSONSchemaPropsOrArray",
                "JSONSchemaPropsOrBool",
                "JSONSchemaPropsOrStringArray",
            )
        ),
        "any",
    ),
}

Schema = dict[str, Any]


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        definitions: dict[str, Schema] = json.loads(archive.read(SOURCE))["$defs"]
    roots = {name: _kinds(schema) for name, schema in definitions.items()}
    wanted = {(row.group, row.version, row.kind) for row in KINDS.values()} | set(EXTRA_KINDS)
    kinds = {
        f"{group}/{version}/{kind}": name
        for name, found in roots.items()
        for group, version, kind in found
        if (group, version, kind) in wanted
    }
    missing = wanted - {tuple(key.split("/")) for key in kinds}
    if missing:
        raise SystemExit(f"no schema for {sorted(missing)}")
    names = closure(
        definitions, [*kinds.values(), META + "DeleteOptions", META + "Status", META + "APIResourceList"]
    )
    types = {name: compact(definitions[name]) for name in names if name not in SCALARS}
    write("types.json.xz", {"kinds": kinds, "types": types})
    listed = {
        name: openapi(definitions[name])
        for name in closure(definitions, [*names, *lists(definitions, kinds)])
    }
    write("openapi.json.xz", listed)


def _kinds(schema: Schema) -> list[tuple[str, str, str]]:
    return [(k["group"], k["version"], k["kind"]) for k in schema.get("x-kubernetes-group-version-kind", ())]


def lists(definitions: dict[str, Schema], kinds: dict[str, str]) -> list[str]:
    return [name + "List" for name in kinds.values() if name + "List" in definitions]


def reference(schema: Schema) -> str | None:
    text = schema.get("$ref")
    return text.removeprefix("#/$defs/") if isinstance(text, str) else None  # a field may have that name


def closure(definitions: dict[str, Schema], roots: list[str]) -> list[str]:
    """All definitions that the roots lead to, in order of names."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        todo += references(definitions[name])
    return sorted(found)


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in references(item)]
    if not isinstance(node, dict):
        return []
    own = reference(node)
    return ([own] if own else []) + [name for value in node.values() for name in references(value)]


def compact(schema: Schema) -> Schema:
    """What a definition says of its fields.

    `f`: the type of each; `m`: how a strategic merge patch treats it, as [strategies, key]; `l`: who owns its
    parts under server-side apply; `a`: the definition is owned as a whole.
    """
    fields = {name: type_of(value) for name, value in schema.get("properties", {}).items()}
    merges = {
        name: [value["x-kubernetes-patch-strategy"], value.get("x-kubernetes-patch-merge-key", "")]
        for name, value in schema.get("properties", {}).items()
        if "x-kubernetes-patch-strategy" in value
    }
    owned = {name: how for name, value in schema.get("properties", {}).items() if (how := ownership(value))}
    whole = {"a": 1} if schema.get("x-kubernetes-map-type") == "atomic" else {}
    return {"f": fields, **({"m": merges} if merges else {}), **({"l": owned} if owned else {}), **whole}


def ownership(schema: Schema) -> str:
    """Who owns the parts of a list or map: `set`, `map:KEY,KEY`, `atomic`; "" for the default."""
    if schema.get("x-kubernetes-map-type") == "atomic":
        return "atomic"
    kind = str(schema.get("x-kubernetes-list-type", ""))
    if kind == "map":
        return "map:" + ",".join(schema["x-kubernetes-list-map-keys"])
    return kind


def type_of(schema: Schema) -> str:
    """s b i32 i64 n(umber) B(ytes) T(ime) M(icrotime) Q(uantity) I(nt or string) any [list {map #other."""
    name = reference(schema)
    if name:
        return SCALARS.get(name, "#" + name)
    kind = schema.get("type")
    kind = next(item for item in kind if item != "null") if isinstance(kind, list) else kind
    if kind == "array":
        return "[" + type_of(schema["items"])
    if kind == "object":
        inner = schema.get("additionalProperties")
        return "{" + type_of(inner) if isinstance(inner, dict) and inner else "any"
    simple = {"string": "s", "boolean": "b", "number": "n"}
    if kind == "integer":
        return "i32" if schema.get("format") == "int32" else "i64"
    if kind == "string" and schema.get("format") == "byte":
        return "B"
    return simple.get(str(kind), "any")


def openapi(schema: Schema) -> Schema:
    """The definition in OpenAPI 3.0's form: no null types, and a reference with a description in an allOf."""
    made: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: openapi(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            made[key] = openapi(value)
        elif key == "oneOf":
            made[key] = [openapi(inner) for inner in value]
        elif key == "type" and isinstance(value, list):
            made[key] = next(item for item in value if item != "null")
        elif key == "$ref":
            ref = {"$ref": value.replace("#/$defs/", "#/components/schemas/")}
            made.update({"allOf": [ref]} if len(schema) > 1 else ref)
        elif key not in ("$schema", "default", "enum") or key == "enum":
            made[key] = value
    return made


def write(name: str, content: Any) -> None:
    TARGET.mkdir(exist_ok=True)
    text = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    packed = lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)
    (TARGET / name).write_bytes(packed)
    print(f"{name}: {len(text)} bytes, {len(packed)} packed")


if __name__ == "__main__":
    main(sys.argv[1])
