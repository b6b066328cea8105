"""POST of serviceaccounts/NAME/token: a token for a time, an audience and perhaps a Pod."""

from __future__ import annotations

import uuid
from typing import Any

from dockyard.cluster.access.tokens import AUDIENCES
from dockyard.cluster.api import Api
from dockyard.cluster.errors import BadRequest, Conflict, Invalid
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.http.bodies import read_object
from dockyard.cluster.http.paths import Target
from dockyard.cluster.http.writes import read_body
from dockyard.cluster.kinds import Kind
from dockyard.wire.clock import rfc3339
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

TOKEN_REQUEST = Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")
_DEFAULT_SECONDS, _LEAST_SECONDS, _MOST_SECONDS = 3600, 600, 1 << 32
_BINDABLE = {"Pod": True, "Secret": True, "Node": False}  # whether they live in a namespace


async def request_token(api: Api, target: Target, request: Request) -> Response:
    """Issue a token. Raises NotFound, Invalid, BadRequest, Conflict for another uid than is bound."""
    account = api.get("ServiceAccount", target.name, target.namespace)
    body = await read_body(request)
    asked = read_object(TOKEN_REQUEST, body, request.headers.get("content-type"), "Ignore").obj
    named = (asked.get("metadata") or {}).get("name")
    if named not in (None, "", target.name):
        raise BadRequest(f"metadata.name: Invalid value: {named}: must match the service account name")
    spec = dict(asked.get("spec") or {})
    seconds = spec.get("expirationSeconds")
    seconds = _DEFAULT_SECONDS if seconds is None else seconds
    _check_duration(seconds)
    audiences = spec.get("audiences") or list(AUDIENCES)
    reference = spec.get("boundObjectRef")
    bound = _bound(api, target, reference) if reference else None
    issued = api.tokens.issue(account, audiences=audiences, seconds=seconds, bound=bound)
    metadata = {
        "name": target.name,
        "namespace": target.namespace,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": api.now(),
    }
    return json_response(
        {
            **TOKEN_REQUEST.type_meta,
            "metadata": metadata,
            "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
            "status": {"token": issued.token, "expirationTimestamp": rfc3339(issued.expires)},
        },
        201,
    )


def _check_duration(seconds: int) -> None:
    errors = FieldErrors()
    if seconds < _LEAST_SECONDS:
        problem = "may not specify a duration less than 10 minutes"
        errors.invalid("spec.expirationSeconds", seconds, problem)
    if seconds > _MOST_SECONDS:
        problem = "may not specify a duration larger than 2^32 seconds"
        errors.invalid("spec.expirationSeconds", seconds, problem)
    if errors:
        raise Invalid.of(TOKEN_REQUEST.qualified, "", errors)


def _bound(api: Api, target: Target, reference: Manifest) -> Manifest:
    kind, name, version = (reference.get(key) or "" for key in ("kind", "name", "apiVersion"))
    if kind not in _BINDABLE or version not in ("", "v1"):
        group, _, short = version.rpartition("/")
        raise BadRequest(f"cannot bind token to object of type {group}/{short}, Kind={kind}")
    bound = api.get(kind, name, target.namespace if _BINDABLE[kind] else None)
    if kind == "Pod" and bound["spec"].get("serviceAccountName") != target.name:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{target.name}" to pod running with different '
            "serviceaccount name."
        )
    uid = reference.get("uid")
    if uid and uid != bound["metadata"]["uid"]:
        why = (
            f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise Conflict(
            f'Operation cannot be fulfilled on {kind} "{name}": {why}', {"name": name, "kind": kind}
        )
    return bound
