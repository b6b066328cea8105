"""Which version of the API a path asks for, and the headers that tell ours."""

from __future__ import annotations

import re

from dockyard.engine.errors import BadParameter
from dockyard.wire.http import Response, text_response

ENGINE_VERSION = "28.5.2"
API_VERSION = (1, 51)
MINIMUM_VERSION = (1, 24)


class TooOld(BadParameter):
    """The client's version; said in plain text, which the oldest clients show."""

    def render(self) -> Response:
        """Return the answer as it goes over the wire."""
        return text_response(self.message, self.status)


_PREFIX = re.compile(r"/v(\d+)\.(\d+)(/.*)?")


def text(version: tuple[int, int]) -> str:
    """Return `1.51`."""
    return f"{version[0]}.{version[1]}"


def split_version(path: str) -> tuple[tuple[int, int], str]:
    """Return the version that a path asks for (ours when it says none) and the rest of the path.

    Raises:
        BadParameter: we are too old for the client, or the client for us.
    """
    found = _PREFIX.fullmatch(path)
    if found is None:
        return API_VERSION, path
    version = (int(found[1]), int(found[2]))
    if version > API_VERSION:
        raise BadParameter(
            f"client version {text(version)} is too new. Maximum supported API version is {text(API_VERSION)}"
        )
    if version < MINIMUM_VERSION:
        raise TooOld(
            f"client version {text(version)} is too old. Minimum supported API version is "
            f"{text(MINIMUM_VERSION)}, please upgrade your client to a newer version\n"
        )
    return version, found[3] or "/"


HEADERS = (
    ("Api-Version", text(API_VERSION)),
    ("Docker-Experimental", "false"),
    ("Ostype", "linux"),
    ("Server", f"Docker/{ENGINE_VERSION} (linux)"),
)
"""On every answer to a path that exists."""
