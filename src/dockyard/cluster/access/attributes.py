"""What a request wants: verb, resource, namespace and name, read from its path as kube-apiserver reads them.

Rules: `RequestInfoFactory.NewRequestInfo` of k8s.io/apiserver. The path need not lead anywhere: who may not
ask for a resource is not told whether there is one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dockyard.cluster.access.user import User
from dockyard.cluster.errors import Forbidden
from dockyard.wire.http import Query

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_EXACT_NAME = re.compile(r"(?:^|,)metadata\.name==?([^,!=/%]+)(?:,|$)")


class Attributes(NamedTuple):
    """What an authorizer decides about; `path` counts only where `resource` is empty."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def is_resource(self) -> bool:
        return bool(self.resource)

    @property
    def qualified(self) -> str:
        """The resource with its subresource, as rules name it: `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def of_request(method: str, path: str, query: Query) -> Attributes:
    """The attributes of a request."""
    parts = [part for part in path.split("/") if part]
    group = ""
    if len(parts) > 3 and parts[0] == "apis":
        group, parts = parts[1], parts[3:]
    elif len(parts) > 2 and parts[0] == "api":
        parts = parts[2:]
    else:
        return Attributes(method.lower(), path=path)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    verb = _VERBS.get(method, "")
    if not name and verb == "get":
        verb = "watch" if query.get("watch") in ("1", "true", "True", "TRUE", "t", "T") else "list"
        # Who watches one object by a field selector may do it with a rule for that name.
        exact = _EXACT_NAME.search(query.get("fieldSelector"))
        name = exact.group(1) if exact else ""
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Attributes(verb, group, parts[0], subresource, namespace, name)


def forbidden(user: User, wanted: Attributes, reason: str = "") -> Forbidden:
    """The refusal, in upstream's words; `reason` is what the authorizer adds."""
    who = f'User "{user.name}" cannot {wanted.verb}'
    after = f": {reason}" if reason else ""
    if not wanted.is_resource:
        return Forbidden(f'forbidden: {who} path "{wanted.path}"{after}', {})
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    what = f'resource "{wanted.qualified}" in API group "{wanted.group}" {where}'
    details = {"name": wanted.name} if wanted.name else {}
    if wanted.group:
        details["group"] = wanted.group
    resource = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    named = f' "{wanted.name}"' if wanted.name else ""
    text = f"{resource}{named} is forbidden: {who} {what}{after}"
    return Forbidden(text, {**details, "kind": wanted.resource})
