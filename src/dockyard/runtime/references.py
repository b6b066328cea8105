"""Image references as a person types them, in the one familiar form that the store keeps them in."""

import re

_DOMAIN = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9.-]*[a-zA-Z0-9])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?"
    r"(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?",
    re.ASCII,
)
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{1,64}", re.ASCII)


class InvalidReference(ValueError):
    """The text is no image reference. The message is the real engine's."""


def familiar(reference: str) -> str:
    """`docker.io/library/python` -> `python:latest`: the form that `docker images` shows.

    Raises InvalidReference. A digest stays (`name@sha256:...`) and then no tag is added.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        if _REFERENCE.fullmatch(reference.lower()):
            raise InvalidReference("invalid reference format: repository name must be lowercase")
        raise InvalidReference("invalid reference format")
    name = match["name"]
    for prefix in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(prefix)
    name = name.removeprefix("library/")
    if match["digest"]:
        return f"{name}@{match['digest']}"
    return f"{name}:{match['tag'] or 'latest'}"


def is_id(reference: str) -> bool:
    """Whether the text could be an image id or a prefix of one."""
    return _ID.fullmatch(reference) is not None


def short_id(identifier: str) -> str:
    """The twelve digits that the command line shows for `sha256:...`."""
    return identifier.removeprefix("sha256:")[:12]
