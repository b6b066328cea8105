"""What the server offers: groups, versions, resources; plain and aggregated, with ETags."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from dockyard.cluster.http.paths import groups_of
from dockyard.cluster.kinds import Kind, Kinds
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

_CHANGE = ["get", "patch", "update"]
_PROXY = ["create", "delete", "get", "patch", "update"]
_STREAM = ["create", "get"]
# Subresources that answer another kind than their resource: group, version, kind, verbs.
_SUBRESOURCES: dict[str, tuple[str, str, str, list[str]]] = {
    "scale": ("autoscaling", "v1", "Scale", _CHANGE),
    "binding": ("", "v1", "Binding", ["create"]),
    "eviction": ("policy", "v1", "Eviction", ["create"]),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ["create"]),
    "attach": ("", "v1", "PodAttachOptions", _STREAM),
    "exec": ("", "v1", "PodExecOptions", _STREAM),
    "portforward": ("", "v1", "PodPortForwardOptions", _STREAM),
}
_REVIEWS = {
    "authentication.k8s.io": ("SelfSubjectReview", "TokenReview"),
    "authorization.k8s.io": (
        "LocalSubjectAccessReview",
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
    ),
}
_LOCAL_REVIEW = "LocalSubjectAccessReview"  # the one that lives in a namespace
_ORDER = (
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
)


def groups(kinds: Kinds) -> list[str]:
    """The named groups, in upstream's order of preference."""
    return sorted(
        groups_of(kinds), key=lambda group: (_ORDER.index(group) if group in _ORDER else len(_ORDER), group)
    )


def api(kinds: Kinds, request: Request) -> Response:
    """GET /api"""
    if "APIGroupDiscoveryList" in request.headers.get("accept"):
        return _cached(request, _aggregated(kinds, core=True))
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": request.headers.get("host")}]
    return json_response({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})


def apis(kinds: Kinds, request: Request) -> Response:
    """GET /apis"""
    if "APIGroupDiscoveryList" in request.headers.get("accept"):
        return _cached(request, _aggregated(kinds, core=False))
    listed = [_group(kinds, group) for group in groups(kinds)]
    return json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})


def group(kinds: Kinds, name: str) -> Response:
    """GET /apis/GROUP"""
    return json_response({"kind": "APIGroup", "apiVersion": "v1", **_group(kinds, name)})


def resources(kinds: Kinds, name: str, version: str) -> Response:
    """GET /api/v1 and /apis/GROUP/VERSION"""
    listed: list[Manifest] = []
    for row in rows(kinds, name, version):
        entry: Manifest = {
            "name": row.plural,
            "singularName": row.singular,
            "namespaced": row.namespaced,
            "kind": row.kind,
            "verbs": list(row.verbs),
        }
        if row.short_names:
            entry["shortNames"] = list(row.short_names)
        if row.categories:
            entry["categories"] = list(row.categories)
        entry["storageVersionHash"] = _storage_hash(row)
        listed.append(entry)
        for subresource in row.subresources:
            sub_group, sub_version, kind, verbs = _subresource(row, subresource)
            shown: Manifest = {
                "name": f"{row.plural}/{subresource}",
                "singularName": "",
                "namespaced": row.namespaced,
                "kind": kind,
                "verbs": verbs,
            }
            if sub_group != row.group:
                shown |= {"group": sub_group, "version": sub_version}
            listed.append(shown)
    for kind in _REVIEWS.get(name, ()):
        plural = kind.lower() + "s"
        listed.append(
            {
                "name": plural,
                "singularName": kind.lower(),
                "namespaced": kind == _LOCAL_REVIEW,
                "kind": kind,
                "verbs": ["create"],
            }
        )
    group_version = f"{name}/{version}" if name else version
    # The core group's list is older than apiVersion in lists.
    head = {
        "kind": "APIResourceList",
        **({"apiVersion": "v1"} if name else {}),
        "groupVersion": group_version,
    }
    return json_response({**head, "resources": listed})


def _storage_hash(row: Kind) -> str:
    """Which version is stored, as upstream says it: the head of the hash of group, version and kind."""
    digest = hashlib.sha256(f"{row.group}/{row.version}/{row.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def rows(kinds: Kinds, name: str, version: str) -> list[Kind]:
    """The kinds of a group's version, by plural."""
    found = [row for row in kinds.served() if (row.group, row.version) == (name, version)]
    return sorted(found, key=lambda row: row.plural)


def _subresource(row: Kind, name: str) -> tuple[str, str, str, list[str]]:
    if name == "proxy":
        return row.group, row.version, f"{row.kind}ProxyOptions", _PROXY
    if name == "log":
        return row.group, row.version, "Pod", ["get"]
    if name == "finalize":
        return row.group, row.version, row.kind, ["update"]
    return _SUBRESOURCES.get(name, (row.group, row.version, row.kind, _CHANGE))


def _group(kinds: Kinds, name: str) -> Manifest:
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version} for version in groups_of(kinds)[name]
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _aggregated(kinds: Kinds, *, core: bool) -> bytes:
    items = []
    for name in [""] if core else groups(kinds):
        versions = []
        for version in ["v1"] if core else groups_of(kinds)[name]:
            listed = [_aggregate(row) for row in rows(kinds, name, version)]
            listed += [
                {
                    "resource": kind.lower() + "s",
                    "responseKind": {"group": "", "version": "", "kind": kind},
                    "scope": "Namespaced" if kind == _LOCAL_REVIEW else "Cluster",
                    "singularResource": kind.lower(),
                    "verbs": ["create"],
                }
                for kind in _REVIEWS.get(name, ())
            ]
            versions.append({"version": version, "resources": listed, "freshness": "Current"})
        items.append({"metadata": {"name": name} if name else {}, "versions": versions})
    body = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _aggregate(row: Kind) -> Manifest:
    entry: Manifest = {
        "resource": row.plural,
        "responseKind": {"group": "", "version": "", "kind": row.kind},
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    subresources = []
    for name in row.subresources:
        group_, version, kind, verbs = _subresource(row, name)
        same = group_ == row.group
        response_kind = {"group": "" if same else group_, "version": "" if same else version, "kind": kind}
        subresources.append({"subresource": name, "responseKind": response_kind, "verbs": verbs})
    if subresources:
        entry["subresources"] = subresources
    return entry


def _cached(request: Request, body: bytes) -> Response:
    tag = '"' + hashlib.sha512(body).hexdigest().upper() + '"'
    headers = [("Cache-Control", "public"), ("Etag", tag), ("Vary", "Accept")]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers)
    media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    return Response(200, [*headers, ("Content-Type", media)], body)
