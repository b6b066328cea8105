"""JSON Web Tokens in their compact form, signed and checked with one secret key (RFC 7515, RFC 7519)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

Claims = dict[str, Any]

_HEADER = {"alg": "HS256", "typ": "JWT"}


class MalformedTokenError(Exception):
    """A token that this key did not sign, or no token at all."""


def sign(claims: Claims, key: bytes) -> str:
    """The token that carries the claims."""
    # Differs: tokens are signed with a secret key (HS256) that never leaves the API server, not with a pair
    # of keys (RS256). So /openid/v1/jwks publishes nothing, and only a TokenReview tells whether one is good.
    signed = f"{_encode(_json(_HEADER))}.{_encode(_json(claims))}"
    return f"{signed}.{_encode(_signature(signed, key))}"


def read(token: str, key: bytes) -> Claims:
    """The claims of a token that this key signed. Raises MalformedTokenError; looks at no claim."""
    signed, _, signature = token.rpartition(".")
    head, _, payload = signed.partition(".")
    try:
        if not hmac.compare_digest(_decode(signature), _signature(signed, key)):
            raise MalformedTokenError("the signature is another's")
        header, claims = json.loads(_decode(head)), json.loads(_decode(payload))
    except (ValueError, RecursionError) as error:  # of the characters, of base64, of JSON
        raise MalformedTokenError(str(error)) from None
    if not isinstance(header, dict) or header.get("alg") != _HEADER["alg"] or not isinstance(claims, dict):
        raise MalformedTokenError("no token of ours")
    return claims


def _json(value: Claims) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _signature(signed: str, key: bytes) -> bytes:
    return hmac.new(key, signed.encode(), hashlib.sha256).digest()
