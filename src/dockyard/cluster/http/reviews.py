"""Reviews: may I, and who am I."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.errors import Invalid, MethodNotAllowed, PathNotFound
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.http.authentication import User
from dockyard.cluster.http.bodies import read_object
from dockyard.cluster.http.writes import read_body
from dockyard.cluster.kinds import Kind
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

_AUTHORIZATION, _AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
_KINDS = {
    row.plural: row
    for row in (
        Kind(_AUTHORIZATION, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False),
        Kind(_AUTHORIZATION, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False),
        Kind(_AUTHORIZATION, "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False),
        Kind(_AUTHENTICATION, "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False),
    )
}


async def review(group: str, plural: str, user: User, request: Request) -> Response:
    """POST of a review. Raises PathNotFound, MethodNotAllowed, Invalid."""
    kind = _KINDS.get(plural)
    if kind is None or kind.group != group:
        raise PathNotFound
    if request.method != "POST":
        raise MethodNotAllowed
    body = await read_body(request)
    obj = read_object(kind, body, request.headers.get("content-type"), "Ignore").obj
    obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}, **obj}
    obj["status"] = _answer(kind, obj.get("spec") or {}, user)
    return json_response(obj, 201)


def _answer(kind: Kind, spec: Manifest, user: User) -> Manifest:
    if kind.kind == "SelfSubjectReview":
        return {"userInfo": {"username": user.name, "groups": list(user.groups)}}
    if kind.kind == "SelfSubjectRulesReview":
        if not user.is_master:
            return {"resourceRules": [], "nonResourceRules": [], "incomplete": False}
        return {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        }
    if ("resourceAttributes" in spec) == ("nonResourceAttributes" in spec):
        errors = FieldErrors()
        problem = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.invalid("spec.resourceAttributes", None, problem)
        raise Invalid.of(f".{_AUTHORIZATION}", "", errors)
    groups = user.groups if kind.kind == "SelfSubjectAccessReview" else tuple(spec.get("groups") or ())
    return {"allowed": User("", groups).is_master}
