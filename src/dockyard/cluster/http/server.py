"""Every request of the Kubernetes API: who asks, for what, and which part answers."""

from __future__ import annotations

import logging

from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError, InternalError, MethodNotAllowed, PathNotFound
from dockyard.cluster.http import discovery, openapi, reads, reviews, subresources, watching, writes
from dockyard.cluster.http.authentication import User, authorize, identify
from dockyard.cluster.http.nodes import Answer, NodeApi
from dockyard.cluster.http.options import list_options
from dockyard.cluster.http.paths import GROUPS, REVIEW_GROUPS, Target, parse
from dockyard.wire.http import (
    ClientDisconnectedError,
    HttpError,
    Request,
    Response,
    json_response,
    text_response,
)

logger = logging.getLogger(__name__)

VERSION = "v1.36.2"
_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


class ApiServer:
    """The wire handler over an Api.

    `node` may come later; until then logs, exec and proxies are unavailable.
    """

    def __init__(self, api: Api, node: NodeApi | None = None) -> None:
        self.api = api
        self.node = node

    async def handle(self, request: Request) -> Answer:
        """Answer one request; a refusal becomes its Status, a bug of ours says that it is one."""
        try:
            return await self._route(request)
        except ApiError as refusal:
            headers = []
            if refusal.details and "retryAfterSeconds" in refusal.details:
                headers.append(("Retry-After", str(refusal.details["retryAfterSeconds"])))
            return json_response(refusal.status(), refusal.code, headers)
        except (HttpError, ClientDisconnectedError):
            raise
        except Exception:
            logger.exception("%s %s: failed", request.method, request.raw_path)
            bug = InternalError("this is a bug in dockyard, its log has the details")
            return json_response(bug.status(), bug.code)

    async def _route(self, request: Request) -> Answer:
        path = request.path
        user = identify(request)
        try:
            target = parse(path)
        except PathNotFound:
            if not user.is_master:
                authorize(user, path, _VERBS.get(request.method, "get"), None)
            raise
        authorize(user, path, self._verb(request, target), target)
        if target is not None:
            if target.subresource:
                return await subresources.answer(self.api, self.node, target, request)
            return await self._resource(target, request)
        return await self._other(path.strip("/"), user, request)

    @staticmethod
    def _verb(request: Request, target: Target | None) -> str:
        verb = _VERBS.get(request.method, "get")
        if target is not None and not target.name:
            if verb == "get":
                return "watch" if request.query.get("watch") else "list"
            if verb == "delete":
                return "deletecollection"
        return verb

    async def _resource(self, target: Target, request: Request) -> Answer:
        api, method = self.api, request.method
        if self._verb(request, target) not in target.kind.verbs:
            raise MethodNotAllowed
        if target.name:
            if method in ("GET", "HEAD"):
                return reads.get_one(api, target, request)
            if method == "PUT":
                return await writes.update(api, target, request)
            if method == "PATCH":
                return await writes.patch(api, target, request)
            if method == "DELETE":
                return await writes.delete(api, target, request)
            raise MethodNotAllowed
        if method in ("GET", "HEAD"):
            options = list_options(request.query)
            if options.watch:
                return watching.watch(api, target, request, options)
            return reads.list_many(api, target, request, options)
        if method == "POST":
            if target.kind.namespaced and target.namespace is None:
                raise MethodNotAllowed
            return await writes.create(api, target, request)
        if method == "DELETE":
            return await writes.delete_many(api, target, request)
        raise MethodNotAllowed

    async def _other(self, path: str, user: User, request: Request) -> Answer:
        parts = path.split("/")
        if parts[0] in ("healthz", "livez", "readyz"):
            return text_response("ok")
        if path == "version":
            return json_response(_version())
        if path == "":
            return json_response({"paths": _paths()})
        if path == "api":
            return discovery.api(request)
        if path == "apis":
            return discovery.apis(request)
        if path == "api/v1":
            return discovery.resources("", "v1")
        if parts[0] == "apis" and parts[1] in GROUPS:
            return await self._group(parts[1:], user, request)
        if parts[:2] == ["openapi", "v3"]:
            return openapi.document("/".join(parts[2:]), request) if len(parts) > 2 else openapi.root()
        # Also /openapi/v2: kubectl wants that as protobuf only and goes on without it.
        # Differs: a `kind: List` can't be applied, because kubectl validates that one kind with version 2
        # alone; several documents in one file do the same, and work.
        return text_response("404 page not found\n", 404)

    async def _group(self, parts: list[str], user: User, request: Request) -> Response:
        group = parts[0]
        if len(parts) == 1:
            return discovery.group(group)
        if parts[1] not in GROUPS[group]:
            raise PathNotFound
        if len(parts) == 2:
            return discovery.resources(group, parts[1])
        if group in REVIEW_GROUPS and len(parts) == 3:
            return await reviews.review(group, parts[2], user, request)
        raise PathNotFound


def _paths() -> list[str]:
    groups = [f"/apis/{group}" for group in GROUPS]
    versions = [f"/apis/{group}/{version}" for group, found in GROUPS.items() for version in found]
    rest = ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]
    return sorted([*rest, *groups, *versions])


def _version() -> dict[str, str]:
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": VERSION,
        "gitCommit": "",
        # Differs: this names the emulation; a real server says clean or archive.
        "gitTreeState": "dockyard",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }
