"""May this request pass: asked before anything else is looked at."""

from __future__ import annotations

from dockyard.cluster.access import Attributes, Authorizer, User, forbidden
from dockyard.cluster.access.attributes import of_request
from dockyard.wire.http import Request

# Everybody may ask for these, whatever the bindings say: probes must not depend on them.
_ALWAYS = ("/healthz", "/livez", "/readyz")
# Who opens one of these by GET, as a WebSocket is, starts something and needs the verb of that too.
_STARTING = ("attach", "exec", "portforward")


def authorize(authorizer: Authorizer, user: User, request: Request) -> None:
    """Let a request pass. Raises Forbidden in upstream's words."""
    if user.is_master or request.path.rstrip("/") in _ALWAYS:
        return
    wanted = of_request(request.method, request.path, request.query)
    _check(authorizer, user, wanted)
    if wanted.verb == "get" and wanted.resource == "pods" and wanted.subresource in _STARTING:
        _check(authorizer, user, wanted._replace(verb="create"))


def authorize_creation(authorizer: Authorizer, user: User, request: Request) -> None:
    """Let an apply pass whose object is not there yet: it is a create as well. Raises Forbidden."""
    if not user.is_master:
        wanted = of_request(request.method, request.path, request.query)
        _check(authorizer, user, wanted._replace(verb="create"))


def _check(authorizer: Authorizer, user: User, wanted: Attributes) -> None:
    decision = authorizer.decide(user, wanted)
    if not decision.allowed:
        raise forbidden(user, wanted, decision.reason)
