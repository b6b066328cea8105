"""Who is asking: the subject of the client's certificate, and what he may do.

Differs: there is no RBAC yet. Members of system:masters may do everything, others nothing but ask for the
version and the health.
"""

from __future__ import annotations

from typing import NamedTuple

from dockyard.cluster.errors import Forbidden, Unauthorized
from dockyard.cluster.http.paths import Target
from dockyard.wire.http import Request

MASTERS = "system:masters"
PUBLIC = ("/version", "/healthz", "/livez", "/readyz")


class User(NamedTuple):
    name: str
    groups: tuple[str, ...]

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def identify(request: Request) -> User:
    """The user of a request. Raises Unauthorized for a token, as none is valid here."""
    certificate = request.peer_certificate
    if certificate:
        names = [pair for part in certificate.get("subject", ()) for pair in part]
        name = next((value for key, value in names if key == "commonName"), "")
        groups = tuple(value for key, value in names if key == "organizationName")
        return User(name, (*groups, "system:authenticated"))
    if request.headers.get("authorization"):
        raise Unauthorized
    return ANONYMOUS


def authorize(user: User, path: str, verb: str, target: Target | None) -> None:
    """Let a request pass. Raises Forbidden in upstream's words."""
    if user.is_master or path.rstrip("/") in PUBLIC or path.startswith(("/livez/", "/readyz/", "/healthz/")):
        return
    who = f'User "{user.name}" cannot'
    if target is None:
        raise Forbidden(f'forbidden: {who} {verb} path "{path}"', {})
    kind = target.kind
    resource = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    named = f' "{target.name}"' if target.name else ""
    text = f'{kind.resource}{named} is forbidden: {who} {verb} resource "{resource}"'
    text += f' in API group "{kind.group}" {where}'
    details = {"name": target.name} if target.name else {}
    if kind.group:
        details["group"] = kind.group
    raise Forbidden(text, {**details, "kind": kind.plural})
