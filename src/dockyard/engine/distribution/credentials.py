"""Who a client says it is, to a registry: what stands in X-Registry-Auth or in a login."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Credentials:
    """All empty: nobody. Never shown in a message or a log."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


NOBODY = Credentials()


def from_document(document: Mapping[str, Any]) -> Credentials:
    """Read the API's AuthConfig."""
    username, password = _text(document, "username"), _text(document, "password")
    if not username and (packed := _text(document, "auth")):
        try:
            username, _, password = base64.b64decode(packed).decode().partition(":")
        except (binascii.Error, ValueError):
            username = password = ""
    return Credentials(username, password, _text(document, "identitytoken"), _text(document, "registrytoken"))


def from_header(text: str) -> Credentials:
    """Read X-Registry-Auth. One that makes no sense counts as none, as upstream has it."""
    try:
        document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return NOBODY
    return from_document(document) if isinstance(document, dict) else NOBODY


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
