"""Who is asking: the subject of a certificate, the bearer of a token, whom they act as, or nobody."""

from __future__ import annotations

from urllib.parse import unquote

from dockyard.cluster.access import ANONYMOUS, Attributes, Authorizer, User, forbidden
from dockyard.cluster.access.tokens import InvalidTokenError, Tokens
from dockyard.cluster.access.user import (
    AUTHENTICATED,
    CREDENTIAL_ID,
    UNAUTHENTICATED,
    account_groups,
    split_account,
)
from dockyard.cluster.errors import InternalError, Unauthorized
from dockyard.wire.http import Request

_EXTRA = "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"


def identify(request: Request, tokens: Tokens) -> User:
    """The user of a request. Raises Unauthorized for a token that is no longer good or never was."""
    certificate = request.peer_certificate
    if certificate:
        names = [pair for part in certificate.get("subject", ()) for pair in part]
        name = next((value for key, value in names if key == "commonName"), "")
        groups = tuple(value for key, value in names if key == "organizationName")
        extra = {CREDENTIAL_ID: (f"X509SHA256={certificate['sha256']}",)}
        return User(name, (*groups, AUTHENTICATED), extra=extra)
    scheme, _, token = request.headers.get("authorization").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return ANONYMOUS
    try:
        return tokens.read(token.strip()).user
    except InvalidTokenError:
        raise Unauthorized from None


def impersonate(user: User, request: Request, authorizer: Authorizer) -> User:
    """Whom a request is to be judged as: the user that its Impersonate headers name, or the one who asks.

    Raises Forbidden for what the user may not impersonate.
    """
    headers = request.headers
    name, uid = headers.get("impersonate-user"), headers.get("impersonate-uid")
    groups = tuple(headers.getlist("impersonate-group"))
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in headers.items():
        if key.startswith(_EXTRA):
            named = unquote(key.removeprefix(_EXTRA))
            extra[named] = (*extra.get(named, ()), value)
    if not name:
        if groups or uid or extra:
            raise InternalError(
                "requested to impersonate groups, a uid or extra without impersonating a user"
            )
        return user
    for wanted in _wanted(name, groups, uid, extra):
        decision = authorizer.decide(user, wanted)
        if not decision.allowed:
            raise forbidden(user, wanted, decision.reason)
    account = split_account(name)
    if account and not groups:
        groups = account_groups(account[0])
    always = UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED
    if not {AUTHENTICATED, UNAUTHENTICATED} & set(groups):
        groups = (*groups, always)
    return User(name, groups, uid, extra)


def _wanted(
    name: str, groups: tuple[str, ...], uid: str, extra: dict[str, tuple[str, ...]]
) -> list[Attributes]:
    """What whoever impersonates must be allowed, in the order in which upstream asks."""
    account = split_account(name)
    if account:
        found = [Attributes("impersonate", "", "serviceaccounts", namespace=account[0], name=account[1])]
    else:
        found = [Attributes("impersonate", "", "users", name=name)]
    found += [Attributes("impersonate", "", "groups", name=group) for group in groups]
    found += [
        Attributes("impersonate", _AUTHENTICATION, "userextras", key, name=value)
        for key, values in extra.items()
        for value in values
    ]
    if uid:
        found.append(Attributes("impersonate", _AUTHENTICATION, "uids", name=uid))
    return found
