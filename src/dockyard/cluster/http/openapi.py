"""OpenAPI v3: one document a group and version, made when asked for and then forgotten.

kubectl reads it to explain fields, to merge lists when it applies, and to learn that the server validates.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from functools import lru_cache
from importlib import resources
from typing import Any

from dockyard.cluster.errors import PathNotFound
from dockyard.cluster.http import discovery, openapi_custom
from dockyard.cluster.http.paths import groups_of
from dockyard.cluster.kinds import Kind, Kinds
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def root(kinds: Kinds, request: Request) -> Response:
    """GET /openapi/v3: where the documents are; the hash in their address makes them immutable."""
    names = [
        "api/v1",
        *(
            f"apis/{group}/{version}"
            for group in discovery.groups(kinds)
            for version in groups_of(kinds)[group]
        ),
    ]
    paths = {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={_hash(kinds)}"} for name in names}
    tag = f'"{_hash(kinds)}"'
    headers = [("Cache-Control", "no-cache, private"), ("Etag", tag)]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers)
    body = json.dumps({"paths": paths}, separators=(",", ":")).encode()
    # Upstream calls this JSON plain text, too.
    return Response(200, [*headers, ("Content-Type", "text/plain; charset=utf-8")], body)


def document(kinds: Kinds, path: str, request: Request) -> Response:
    """GET /openapi/v3/PATH. Raises PathNotFound."""
    parts = path.split("/")
    group, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else ("", "")
    if parts[0] == "apis" and len(parts) == 3:
        group, version = parts[1], parts[2]
    if not (group == "" and version == "v1") and version not in groups_of(kinds).get(group, ()):
        raise PathNotFound
    tag = f'"{_hash(kinds)}"'
    cache = "public, immutable" if request.query.get("hash") else "no-cache, private"
    headers = [("Cache-Control", cache), ("Etag", tag), ("Vary", "Accept")]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers)
    return json_response(_build(kinds, group, version), 200, headers)


def packed() -> bytes:
    """The schemas of all kinds, as the package carries them."""
    return resources.files("dockyard.cluster").joinpath("data/openapi.json.xz").read_bytes()


def schemas() -> dict[str, Manifest]:
    """Every schema by its name, unpacked anew each time: nobody keeps half a megabyte for a rare question."""
    found: dict[str, Manifest] = json.loads(lzma.decompress(packed()))
    return found


@lru_cache(maxsize=1)
def _packed_hash() -> bytes:
    return hashlib.sha256(packed()).digest()


def _hash(kinds: Kinds) -> str:
    served = [row.id for row in kinds.served()]
    custom = json.dumps([served, openapi_custom.schemas_of(kinds)])
    return hashlib.sha256(_packed_hash() + custom.encode()).hexdigest().upper()


def _build(kinds: Kinds, group: str, version: str) -> Manifest:
    known = {**schemas(), **openapi_custom.schemas_of(kinds)}
    names = {
        (found["group"], found["version"], found["kind"]): name
        for name, schema in known.items()
        for found in schema.get("x-kubernetes-group-version-kind", ())
    }
    paths: Manifest = {}
    wanted: list[str] = [_META + "DeleteOptions", _META + "Status"]
    for row in discovery.rows(kinds, group, version):
        name = names.get((row.group, row.version, row.kind))
        if name is None:
            continue
        wanted += [name, name + "List"]
        _add_paths(paths, row, name)
    kept: dict[str, Manifest] = {}
    while wanted:
        name = wanted.pop()
        if name not in kept and name in known:
            kept[name] = known[name]
            wanted += _references(known[name])
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": paths,
        "components": {"schemas": dict(sorted(kept.items()))},
    }


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].removeprefix(_SCHEMAS)] if isinstance(node.get("$ref"), str) else []
    return own + [name for value in node.values() for name in _references(value)]


def _add_paths(paths: Manifest, row: Kind, name: str) -> None:
    base = f"/apis/{row.group}/{row.version}" if row.group else f"/api/{row.version}"
    many = f"{base}/namespaces/{{namespace}}/{row.plural}" if row.namespaced else f"{base}/{row.plural}"
    one = f"{many}/{{name}}"
    paths[many] = {
        "get": _operation(row, "list", name + "List", _LIST),
        "post": _operation(row, "post", name, _WRITE, body=name),
        "delete": _operation(row, "deletecollection", _META + "Status", _LIST, body=_META + "DeleteOptions"),
        "parameters": _PLACE if row.namespaced else [],
    }
    if "deletecollection" not in row.verbs:
        del paths[many]["delete"]
    if row.namespaced:
        paths[f"{base}/{row.plural}"] = {"get": _operation(row, "list", name + "List", _LIST)}
    paths[one] = _object_path(row, name, delete=True)
    for subresource in row.subresources:
        if subresource == "status":
            paths[f"{one}/status"] = _object_path(row, name, delete=False)


def _object_path(row: Kind, name: str, *, delete: bool) -> Manifest:
    path = {
        "get": _operation(row, "get", name, []),
        "put": _operation(row, "put", name, _WRITE, body=name),
        "patch": _operation(
            row, "patch", name, [*_WRITE, _parameter("force", "boolean")], body=_META + "Patch"
        ),
        "parameters": [_path_parameter("name"), *(_PLACE if row.namespaced else [])],
    }
    if delete:
        path["delete"] = _operation(row, "delete", _META + "Status", _DELETE, body=_META + "DeleteOptions")
    return path


def _operation(
    row: Kind, action: str, answer: str, parameters: list[Manifest], *, body: str | None = None
) -> Manifest:
    content = {"application/json": {"schema": {"$ref": _SCHEMAS + answer}}}
    operation: Manifest = {
        "operationId": f"{action}{row.group.title()}{row.version.title()}{row.kind}",
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": content},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": row.group, "version": row.version, "kind": row.kind},
    }
    if body == _META + "Patch":
        patch = {"schema": {"type": "object"}}
        media = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json")
        operation["requestBody"] = {
            "content": {f"application/{name}": patch for name in media},
            "required": True,
        }
    elif body:
        operation["requestBody"] = {"content": {"*/*": {"schema": {"$ref": _SCHEMAS + body}}}}
    return operation


def _parameter(name: str, type: str = "string") -> Manifest:
    return {"name": name, "in": "query", "schema": {"type": type, "uniqueItems": True}}


def _path_parameter(name: str) -> Manifest:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}


_PLACE = [_path_parameter("namespace")]
_WRITE = [_parameter("dryRun"), _parameter("fieldManager"), _parameter("fieldValidation")]
_DELETE = [_parameter("dryRun"), _parameter("gracePeriodSeconds", "integer"), _parameter("propagationPolicy")]
_LIST = [
    _parameter("continue"),
    _parameter("fieldSelector"),
    _parameter("labelSelector"),
    _parameter("limit", "integer"),
    _parameter("resourceVersion"),
    _parameter("timeoutSeconds", "integer"),
    _parameter("watch", "boolean"),
]
