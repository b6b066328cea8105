"""ServiceAccount tokens: issued for a time, an audience and perhaps a Pod, and worth nothing without them."""

from __future__ import annotations

import math
import os
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dockyard.cluster.access import jwt
from dockyard.cluster.access.user import (
    AUTHENTICATED,
    CREDENTIAL_ID,
    User,
    account_groups,
    account_name,
)

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

ISSUER = "https://kubernetes.default.svc.cluster.local"
# Who reads the tokens that open this API server; also what a request that names no audience gets.
AUDIENCES = (ISSUER,)
# A Pod that asks for this odd time got its volume from admission. Upstream lets such a token live for a year
# and notes after an hour that its bearer should have read the file again.
_ADMISSION_SECONDS = 3607
_EXTENDED_SECONDS = 365 * 86400
_LEEWAY_SECONDS = 60.0  # go-jose's, for clocks that differ; upstream keeps it
_DELETED_SECONDS = 60.0  # so long after a Pod's grace period its token is still good
_PRIVATE = "kubernetes.io"
_BOUND = {"pod": "Pod", "secret": "Secret", "node": "Node"}


class InvalidTokenError(Exception):
    """A token that opens nothing; the text says why, in upstream's words."""


class Issued(NamedTuple):
    """A token; `expires` is what its receiver is told, in seconds since 1970."""

    token: str
    expires: float


class Bearer(NamedTuple):
    """Whom a token stands for, and the audiences asked about that it is meant for."""

    user: User
    audiences: tuple[str, ...]


class Tokens:
    """Issues and reads the tokens of one cluster; `key` signs them and must survive a restart."""

    def __init__(self, api: Api, key: bytes) -> None:
        self._api = api
        self._key = key

    def issue(
        self,
        account: Manifest,
        *,
        audiences: Sequence[str] = AUDIENCES,
        seconds: int | None = 3600,
        bound: Manifest | None = None,
    ) -> Issued:
        """A token of a ServiceAccount. With `bound`, a Pod, Secret or Node, it dies with that object.

        `seconds` None is for ever, which only a Secret that holds the token may ask for.
        """
        now = int(self._api.clock.now())
        meta = account["metadata"]
        private: Manifest = {"namespace": meta["namespace"], "serviceaccount": _reference(account)}
        life = seconds
        if bound is not None:
            private[bound["kind"].lower()] = _reference(bound)
            node = self._node_of(bound)
            if node is not None:
                private["node"] = _reference(node)
            if bound["kind"] == "Pod" and seconds == _ADMISSION_SECONDS and tuple(audiences) == AUDIENCES:
                life = _EXTENDED_SECONDS
                private["warnafter"] = now + seconds
        claims = {
            "aud": list(audiences),
            **({} if life is None else {"exp": now + life}),
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            _PRIVATE: private,
            "nbf": now,
            "sub": account_name(meta["namespace"], meta["name"]),
        }
        return Issued(jwt.sign(claims, self._key), math.inf if seconds is None else float(now + seconds))

    def read(self, token: str, audiences: Sequence[str] = AUDIENCES) -> Bearer:
        """Whom a token stands for. Raises InvalidTokenError."""
        try:
            claims = jwt.read(token, self._key)
            private = claims[_PRIVATE]
            meant = tuple(audience for audience in audiences if audience in claims["aud"])
            self._check_time(claims)
        except (jwt.MalformedTokenError, KeyError, TypeError):
            raise InvalidTokenError("invalid bearer token") from None
        if not meant:
            theirs, ours = " ".join(claims["aud"]), " ".join(audiences)
            raise InvalidTokenError(
                f"token audiences [{theirs}] is invalid for the target audiences [{ours}]"
            )
        self._check_objects(private)
        return Bearer(_user(claims, private), meant)

    def _check_time(self, claims: jwt.Claims) -> None:
        now = self._api.clock.now()
        if now > claims.get("exp", math.inf) + _LEEWAY_SECONDS:
            raise InvalidTokenError("service account token has expired")
        if now < claims["nbf"] - _LEEWAY_SECONDS:
            raise InvalidTokenError("service account token is not valid yet")

    def _check_objects(self, private: Manifest) -> None:
        """The account must be the one that it was issued for, and so must what the token is bound to."""
        namespace = private["namespace"]
        kinds = [("ServiceAccount", private["serviceaccount"])]
        # Of a Pod's node only the name and uid are noted: a Pod may outlive its Node object.
        bound = [key for key in _BOUND if key in private and not (key == "node" and "pod" in private)]
        kinds += [(_BOUND[key], private[key]) for key in bound]
        for kind, reference in kinds:
            obj = self._api.find(kind, reference["name"], namespace)
            if obj is None or obj["metadata"]["uid"] != reference["uid"] or self._is_past(obj):
                raise InvalidTokenError("service account token has been invalidated")

    def _is_past(self, obj: Manifest) -> bool:
        deleted = obj["metadata"].get("deletionTimestamp")
        if deleted is None:
            return False
        return datetime.fromisoformat(deleted).timestamp() < self._api.clock.now() - _DELETED_SECONDS

    def _node_of(self, bound: Manifest) -> Manifest | None:
        name = (bound.get("spec") or {}).get("nodeName") if bound["kind"] == "Pod" else None
        return self._api.find("Node", name) if name else None


def signing_key(path: Path | None) -> bytes:
    """The key in a file of its owner's only, made when it is missing; without a path one for this process."""
    if path is None:
        return secrets.token_bytes(32)
    try:
        key = path.read_bytes()
        if len(key) >= 32:
            return key
    except FileNotFoundError:
        pass
    key = secrets.token_bytes(32)
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    part.replace(path)
    return key


def _reference(obj: Manifest) -> Manifest:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


def _user(claims: jwt.Claims, private: Manifest) -> User:
    namespace, account = private["namespace"], private["serviceaccount"]
    extra = {CREDENTIAL_ID: (f"JTI={claims['jti']}",)}
    for key in ("node", "pod"):
        if key in private:
            extra[f"authentication.kubernetes.io/{key}-name"] = (private[key]["name"],)
            extra[f"authentication.kubernetes.io/{key}-uid"] = (private[key]["uid"],)
    groups = (*account_groups(namespace), AUTHENTICATED)
    return User(account_name(namespace, account["name"]), groups, account["uid"], extra)
