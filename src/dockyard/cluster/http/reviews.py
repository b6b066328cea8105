"""Reviews: may I, may he, who am I, and whose token is this."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.access import Attributes, Authorizer, User
from dockyard.cluster.access.tokens import AUDIENCES, InvalidTokenError
from dockyard.cluster.api import Api
from dockyard.cluster.errors import BadRequest, Invalid, MethodNotAllowed, PathNotFound
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.http.bodies import read_object
from dockyard.cluster.http.writes import read_body
from dockyard.cluster.kinds import Kind
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

_AUTHORIZATION, _AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
KINDS = (
    Kind(_AUTHENTICATION, "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False),
    Kind(_AUTHENTICATION, "v1", "TokenReview", "tokenreviews", namespaced=False),
    Kind(_AUTHORIZATION, "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews"),
    Kind(_AUTHORIZATION, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False),
    Kind(_AUTHORIZATION, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False),
    Kind(_AUTHORIZATION, "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False),
)


async def review(
    api: Api, authorizer: Authorizer, user: User, parts: list[str], request: Request
) -> Response:
    """POST of a review; `parts` is its path below /apis. Raises PathNotFound, MethodNotAllowed, Invalid."""
    group, rest = parts[0], parts[2:]
    namespace = ""
    if len(rest) == 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    kind = next((row for row in KINDS if (row.group, [row.plural]) == (group, rest)), None)
    if kind is None or (namespace and not kind.namespaced):
        raise PathNotFound
    if request.method != "POST" or kind.namespaced != bool(namespace):
        raise MethodNotAllowed
    body = await read_body(request)
    obj = read_object(kind, body, request.headers.get("content-type"), "Ignore").obj
    spec = obj.get("spec") or {}
    obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}, **obj}
    if kind.kind == "SelfSubjectReview":
        obj["metadata"] = {"creationTimestamp": api.now()}
        obj["status"] = {"userInfo": user.info()}
    elif kind.kind == "TokenReview":
        obj["status"] = _token_status(api, spec)
    elif kind.kind == "SelfSubjectRulesReview":
        obj["status"] = _rules_status(authorizer, user, spec)
        obj["spec"] = {}
    else:
        obj["status"] = _access_status(authorizer, _subject(kind, spec, namespace, user), spec)
    return json_response(obj, 201)


def _token_status(api: Api, spec: Manifest) -> Manifest:
    if not spec.get("token"):
        raise BadRequest("token is required for TokenReview in authentication")
    try:
        bearer = api.tokens.read(spec["token"], spec.get("audiences") or AUDIENCES)
    except InvalidTokenError as error:
        return {"user": {}, "error": str(error)}
    return {"authenticated": True, "user": bearer.user.info(), "audiences": list(bearer.audiences)}


def _rules_status(authorizer: Authorizer, user: User, spec: Manifest) -> Manifest:
    if not spec.get("namespace"):
        raise BadRequest("no namespace on request")
    found = authorizer.rules_for(user, spec["namespace"])
    named = ("verbs", "apiGroups", "resources", "resourceNames")
    status: Manifest = {
        "resourceRules": [
            {key: rule[key] for key in named if rule.get(key)}
            for rule in found.rules
            if rule.get("resources")
        ],
        "nonResourceRules": [
            {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
            for rule in found.rules
            if rule.get("nonResourceURLs")
        ],
        "incomplete": bool(found.problems),
    }
    if found.problems:
        status["evaluationError"] = ", ".join(found.problems)
    return status


def _subject(kind: Kind, spec: Manifest, namespace: str, user: User) -> User:
    """Whom an access review is about. Raises Invalid, BadRequest."""
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    errors = FieldErrors()
    if resource is not None and other is not None:
        problem = "cannot be specified in combination with resourceAttributes"
        errors.invalid("spec.nonResourceAttributes", other, problem)
    if resource is None and other is None:
        problem = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.invalid("spec.resourceAttributes", None, problem)
    by_name = kind.kind != "SelfSubjectAccessReview"
    if by_name and not spec.get("user") and not spec.get("groups"):
        errors.invalid("spec.user", "", "at least one of user or group must be specified")
    if namespace and other is not None:
        errors.invalid("spec.nonResourceAttributes", other, "disallowed on this kind of request")
    if errors:
        raise Invalid.of(f".{_AUTHORIZATION}", "", errors)
    if namespace and (resource or {}).get("namespace") != namespace:
        raise BadRequest(f"spec.resourceAttributes.namespace must match namespace: {namespace}")
    if not by_name:
        return user
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _access_status(authorizer: Authorizer, user: User, spec: Manifest) -> Manifest:
    asked = spec.get("resourceAttributes")
    if asked is None:
        other = spec["nonResourceAttributes"]
        wanted = Attributes(other.get("verb") or "", path=other.get("path") or "")
    else:
        keys = ("verb", "group", "resource", "subresource", "namespace", "name")
        wanted = Attributes(*(asked.get(key) or "" for key in keys))
    decision = authorizer.decide(user, wanted)
    status: Manifest = {"allowed": decision.allowed}
    return {**status, "reason": decision.reason} if decision.reason else status
