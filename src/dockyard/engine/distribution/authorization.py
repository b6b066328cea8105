"""Gets in at a registry: reads its challenges and answers them with a password or a token.

Source: distribution's docs/spec/auth/token.md and oauth.md, RFC 7235 for the form of challenges.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from dockyard.engine.distribution.credentials import Credentials
from dockyard.engine.distribution.errors import TransferError, refusal
from dockyard.engine.distribution.transport import exchange

Challenge = tuple[str, dict[str, str]]

_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)")
_PARAMETER = re.compile(r"""\s*,?\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*""")
_MAX_TOKEN = 1 << 20


def challenges(headers: list[str]) -> list[Challenge]:
    """The challenges of all WWW-Authenticate headers; schemes and names in small letters."""
    found: list[Challenge] = []
    for text in headers:
        position = 0
        while (scheme := _SCHEME.match(text, position)) is not None:
            position = scheme.end()
            parameters: dict[str, str] = {}
            while (parameter := _PARAMETER.match(text, position)) is not None:
                value = parameter[2] if parameter[2] is not None else parameter[3]
                parameters[parameter[1].lower()] = re.sub(r"\\(.)", r"\1", value)
                position = parameter.end()
            found.append((scheme[1].lower(), parameters))
            position += len(text[position:]) - len(text[position:].lstrip(", "))
    return found


class Authorization:
    """For one registry and one client; learns the challenge once, then gets a token for each scope."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._challenges: list[Challenge] = []
        self._tokens: dict[str, str] = {}

    def learn(self, found: list[Challenge]) -> None:
        """Take the challenges that the registry gave when it was first asked."""
        self._challenges = found

    def forget(self, scope: str) -> None:
        """A token was not accepted, or not any more."""
        self._tokens.pop(scope, None)

    def header(self, scope: str) -> dict[str, str]:
        """The header for a request of this scope (`repository:team/app:pull`).

        Raises TransferError: it needs a password and there is none, or the wrong one.
        """
        who = self._credentials
        if who.registry_token:
            return {"Authorization": f"Bearer {who.registry_token}"}
        for scheme, parameters in self._challenges:
            if scheme == "bearer" and parameters.get("realm"):
                if scope not in self._tokens:
                    self._tokens[scope] = self._fetch(parameters, scope)
                return {"Authorization": f"Bearer {self._tokens[scope]}"}
            if scheme == "basic":
                if not who.username:
                    raise TransferError("no basic auth credentials")
                return {"Authorization": who.basic}
        return {}

    def _fetch(self, parameters: dict[str, str], scope: str) -> str:
        who, realm = self._credentials, parameters["realm"]
        query = {"service": parameters.get("service", "")} if parameters.get("service") else {}
        if scope:
            query["scope"] = scope
        if who.identity_token:
            form = {**query, "grant_type": "refresh_token", "refresh_token": who.identity_token}
            form["client_id"] = "docker"
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = exchange("POST", realm, kind, urlencode(form).encode())
        else:
            if who.username:
                query["account"] = who.username
            separator = "&" if "?" in realm else "?"
            url = realm + (separator + urlencode(query) if query else "")
            answer = exchange("GET", url, {"Authorization": who.basic} if who.username else {})
        with answer:
            body = answer.read_all(_MAX_TOKEN)
            if answer.status != 200:
                found = challenges(answer.headers.get_all("WWW-Authenticate") or [])
                raise refusal(answer.status, answer.reason, body, found)
        try:
            document = json.loads(body)
            token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token.isprintable():
            raise TransferError("authorization server did not include a token in the response")
        return token
