"""From a URL path to a resource, as kube-apiserver reads them."""

from __future__ import annotations

from typing import NamedTuple

from dockyard.cluster.errors import PathNotFound
from dockyard.cluster.kinds import Kind, Kinds

REVIEW_GROUPS = {"authentication.k8s.io": ["v1"], "authorization.k8s.io": ["v1"]}


def groups_of(kinds: Kinds) -> dict[str, list[str]]:
    """The named groups of the API with their versions."""
    return {**kinds.groups, **REVIEW_GROUPS}


class Target(NamedTuple):
    """What a path names; `name` "" is the collection, `rest` what follows a proxy subresource."""

    kind: Kind
    namespace: str | None
    name: str
    subresource: str
    rest: str = ""


def parse(path: str, kinds: Kinds) -> Target | None:
    """The resource of a path below /api or /apis; None when no group of ours has it.

    Raises PathNotFound for what does not exist in a group that does.
    """
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
        if version != "v1":
            return None
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
        if group not in kinds.groups:
            return None
    else:
        return None
    # Differs: the deprecated paths below /watch/ are not served; `?watch=true` is.
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) > 2 and (group or rest[2] not in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.resource(group, version, rest[0])
    if kind is None or (namespace is not None and not kind.namespaced):
        raise PathNotFound
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if kind.namespaced and namespace is None and name:
        raise PathNotFound
    if subresource and subresource not in kind.subresources:
        raise PathNotFound
    if len(rest) > 3 and subresource != "proxy":
        raise PathNotFound
    return Target(kind, namespace, name, subresource, "/".join(rest[3:]))
