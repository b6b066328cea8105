"""Every request of the Kubernetes API: who asks, for what, and which part answers."""

from __future__ import annotations

import logging

from dockyard.cluster.access import Authorizer, User
from dockyard.cluster.access.escalation import Guard
from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError, InternalError, MethodNotAllowed, PathNotFound
from dockyard.cluster.http import (
    discovery,
    metrics,
    openapi,
    openapi_v2,
    reads,
    reviews,
    subresources,
    watching,
    writes,
)
from dockyard.cluster.http.authentication import identify, impersonate
from dockyard.cluster.http.authorization import authorize, authorize_creation
from dockyard.cluster.http.bodies import media_type
from dockyard.cluster.http.nodes import Answer, NodeApi
from dockyard.cluster.http.options import list_options
from dockyard.cluster.http.paths import REVIEW_GROUPS, Target, groups_of, parse
from dockyard.cluster.http.yamlform import in_yaml, wants_yaml
from dockyard.cluster.warnings import warnings_of
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
        self._authorizer = Authorizer(api)

    async def handle(self, request: Request) -> Answer:
        """Answer one request; a refusal becomes its Status, a bug of ours says that it is one."""
        answer = await self._answer(request)
        if isinstance(answer, Response) and wants_yaml(request.headers.get("accept")):
            return in_yaml(answer)
        return answer

    async def _answer(self, request: Request) -> Answer:
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
        user = impersonate(identify(request, self.api.tokens), request, self._authorizer)
        authorize(self._authorizer, user, request)
        target = parse(path, self.api.kinds)
        if target is None:
            return await self._other(path.strip("/"), user, request)
        api = self.api
        if not user.is_master:
            api = api.guarded(Guard(self._authorizer, user))
            if self._applies_new(target, request):
                authorize_creation(self._authorizer, user, request)
        if target.subresource:
            return await subresources.answer(api, self.node, target, request)
        return await self._resource(api, target, request)

    def _applies_new(self, target: Target, request: Request) -> bool:
        if request.method != "PATCH" or not target.name or target.subresource:
            return False
        applies = media_type(request.headers.get("content-type")) == writes.APPLY
        return applies and self.api.find(target.kind.id, target.name, target.namespace) is None

    @staticmethod
    def _verb(request: Request, target: Target | None) -> str:
        verb = _VERBS.get(request.method, "get")
        if target is not None and not target.name:
            if verb == "get":
                return "watch" if request.query.get("watch") else "list"
            if verb == "delete":
                return "deletecollection"
        return verb

    async def _resource(self, api: Api, target: Target, request: Request) -> Answer:
        method = request.method
        if self._verb(request, target) not in target.kind.verbs:
            raise MethodNotAllowed
        if target.kind.group == metrics.GROUP:
            return metrics.answer(api, target, request)
        if target.name:
            if method in ("GET", "HEAD"):
                return writes.warned(reads.get_one(api, target, request), warnings_of(target.kind))
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
            return writes.warned(reads.list_many(api, target, request, options), warnings_of(target.kind))
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
            return json_response({"paths": _paths(groups_of(self.api.kinds))})
        if path == "api":
            return discovery.api(self.api.kinds, request)
        if path == "apis":
            return discovery.apis(self.api.kinds, request)
        if path == "api/v1":
            return discovery.resources(self.api.kinds, "", "v1")
        if parts[0] == "apis" and parts[1] in groups_of(self.api.kinds):
            return await self._group(parts[1:], user, request)
        if parts[:2] == ["openapi", "v3"]:
            kinds = self.api.kinds
            if len(parts) == 2:
                return openapi.root(kinds, request)
            return openapi.document(kinds, "/".join(parts[2:]), request)
        if path == "openapi/v2":
            return openapi_v2.document(request)
        return text_response("404 page not found\n", 404)

    async def _group(self, parts: list[str], user: User, request: Request) -> Response:
        group, kinds = parts[0], self.api.kinds
        if len(parts) == 1:
            return discovery.group(kinds, group)
        if parts[1] not in groups_of(kinds)[group]:
            raise PathNotFound
        if len(parts) == 2:
            return discovery.resources(kinds, group, parts[1])
        if group in REVIEW_GROUPS:
            return await reviews.review(self.api, self._authorizer, user, parts, request)
        raise PathNotFound


def _paths(groups: dict[str, list[str]]) -> list[str]:
    named = [f"/apis/{group}" for group in groups]
    versions = [f"/apis/{group}/{version}" for group, found in groups.items() for version in found]
    rest = [
        "/api",
        "/api/v1",
        "/apis",
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ]
    return sorted([*rest, *named, *versions])


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
