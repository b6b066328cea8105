"""The body of a server-side apply: YAML or JSON that says what a manager wants, and no more."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.errors import ApiError, BadRequest
from dockyard.cluster.http.bodies import check_kind, read_yaml
from dockyard.cluster.http.paths import Target
from dockyard.cluster.kinds import Kind
from dockyard.cluster.ownership.checking import mismatch
from dockyard.cluster.ownership.managers import root
from dockyard.cluster.schema.decode import Decoder, WrongTypeError

Manifest = dict[str, Any]


def read_configuration(kind: Kind, target: Target, body: bytes) -> Manifest:
    """A configuration for the object of the URL. Raises BadRequest, and ApiError for what no schema fits."""
    config = read_yaml(body)
    if not isinstance(config, dict):
        raise BadRequest("error decoding YAML: an apply configuration is an object")
    version = config.get("apiVersion")
    if isinstance(version, str) and version != kind.api_version and config.get("kind") == kind.kind:
        named = version if "/" in version else f"/{version}"
        raise BadRequest(f"invalid object type: {named}, Kind={kind.kind}")
    check_kind(kind, config)
    metadata = config.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise BadRequest("error decoding YAML: metadata is no object")
    if metadata.get("managedFields"):
        raise BadRequest("metadata.managedFields must be nil")
    said = metadata.setdefault("name", target.name)
    if said != target.name:
        raise BadRequest(
            f"the name of the object ({said}) does not match the name on the URL ({target.name})"
        )
    problem = mismatch(config, root(kind))
    if problem:
        raise _untyped(kind, target, problem)
    decoder = Decoder()
    try:
        decoded = decoder.decode(kind, config)
    except WrongTypeError as error:
        raise BadRequest(f"error decoding YAML: {error}") from None
    if kind.custom is not None and decoder.unknown:
        raise _untyped(kind, target, f".{decoder.unknown[0]}: field not declared in schema")
    return decoded


def _untyped(kind: Kind, target: Target, problem: str) -> ApiError:
    place = "/".join(filter(None, (target.namespace if kind.namespaced else "", target.name)))
    return ApiError(
        f"failed to create typed patch object ({place}; {kind.api_version}, Kind={kind.kind}): {problem}"
    )
