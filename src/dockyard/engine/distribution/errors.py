"""What can go wrong between us and a registry, in the words that upstream has for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dockyard.engine.distribution.location import Location
from dockyard.engine.errors import EngineError, Failed, NotFound

# Status that upstream gives an error with this code (distribution-spec, "Error codes").
_STATUS = {
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "NAME_UNKNOWN": 404,
    "MANIFEST_UNKNOWN": 404,
    "BLOB_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "MANIFEST_INVALID": 400,
    "DIGEST_INVALID": 400,
    "TOOMANYREQUESTS": 429,
    "UNSUPPORTED": 405,
    "UNAVAILABLE": 503,
}


class TransferError(Exception):
    """A pull or push that failed; the message is meant for the user."""


class Unreachable(TransferError):
    """Nobody answers there."""


class Stopped(TransferError):
    """The client went away."""


@dataclass(frozen=True)
class Complaint:
    """One error of a registry's answer. `detailed`: with a message of its own, not only a code."""

    code: str
    message: str
    detailed: bool

    def __str__(self) -> str:
        words = self.code.lower().replace("_", " ")
        return f"{words}: {self.message}" if self.detailed else words


class Refused(TransferError):
    """The registry answered, and the answer is no."""

    def __init__(self, status: int, complaints: list[Complaint], text: str) -> None:
        super().__init__(text)
        self.status = status
        self.complaints = complaints


def refusal(status: int, reason: str, body: bytes, challenges: list[tuple[str, dict[str, str]]]) -> Refused:
    """Read a registry's answer of 4xx or 5xx."""
    complaints = []
    for scheme, parameters in challenges:
        code = {"invalid_token": "UNAUTHORIZED", "insufficient_scope": "DENIED"}.get(
            parameters.get("error", "") if scheme == "bearer" else ""
        )
        if code:
            default = {"UNAUTHORIZED": "authentication required"}.get(
                code, "requested access to the resource is denied"
            )
            complaints.append(Complaint(code, parameters.get("error_description") or default, True))
    complaints += _listed(body)
    if status == 401 and not (complaints and complaints[0].detailed):
        complaints = [Complaint("UNAUTHORIZED", "authentication required", True)]
    if not complaints:
        return Refused(status, [], f"received unexpected HTTP status: {status} {reason}")
    if len(complaints) == 1:
        return Refused(status, complaints, str(complaints[0]))
    return Refused(status, complaints, "errors:\n" + "".join(f"{each}\n" for each in complaints))


def _listed(body: bytes) -> list[Complaint]:
    try:
        document: Any = json.loads(body)
    except ValueError:
        return []
    errors = document.get("errors") if isinstance(document, dict) else None
    return [
        Complaint(str(each["code"]), str(each.get("message", "")), each.get("detail") is not None)
        for each in errors or ()
        if isinstance(each, dict) and each.get("code")
    ]


class Answered(EngineError):
    """A registry's refusal, passed on with its own status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def as_answer(error: TransferError) -> EngineError:
    """The answer of an endpoint that asked a registry in vain."""
    if isinstance(error, Refused) and error.complaints:
        return Answered(str(error), _STATUS.get(error.complaints[0].code, 500))
    return Failed(str(error))


def pull_answer(error: TransferError, location: Location) -> EngineError:
    """The answer to a pull that failed before it began."""
    if not isinstance(error, Refused) or not error.complaints:
        return as_answer(error)
    first = error.complaints[0]
    found = {
        "DENIED": f"pull access denied for {location.name}, repository does not exist or may require "
        "'docker login'",
        "MANIFEST_UNKNOWN": f"manifest for {location.reference} not found",
        "NAME_UNKNOWN": f"repository {location.name} not found",
    }.get(first.code)
    if found and first.detailed:
        return NotFound(f"{found}: {first}")
    return Answered(str(first), _STATUS.get(first.code, 500))


def push_text(error: TransferError) -> str:
    """What a push says when it ends with this."""
    if isinstance(error, Refused) and error.complaints:
        return str(error.complaints[0])
    return str(error)
