"""What the Kubernetes API answers when it refuses: Status objects with upstream's reasons and messages.

ApiError
├── BadRequest 400            ├── NotFound 404              ├── Expired 410
├── Unauthorized 401          ├── MethodNotAllowed 405      ├── TooLarge 413
├── Forbidden 403             ├── NotAcceptable 406         ├── UnsupportedMediaType 415
├── AlreadyExists 409         ├── Conflict 409              ├── Invalid 422
├── TooManyRequests 429       ├── InternalError 500         └── Timeout 504
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockyard.cluster.fields import FieldError, FieldErrors

if TYPE_CHECKING:
    from dockyard.cluster.kinds.kind import Kind

Manifest = dict[str, Any]


class ApiError(Exception):
    """A refusal; `status()` is the object that goes over the wire."""

    code = 500
    reason = ""

    def __init__(self, message: str, details: Manifest | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.list_metadata: Manifest = {}

    def status(self) -> Manifest:
        """The Status object, keys in upstream's order."""
        body: Manifest = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.list_metadata,
            "status": "Failure",
        }
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(kind: Kind, name: str, *, as_kind: bool = False) -> Manifest:
    details: Manifest = {}
    if name:
        details["name"] = name
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.kind if as_kind else kind.plural
    return details


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"

    @classmethod
    def of(cls, kind: Kind, name: str, why: str) -> Forbidden:
        return cls(f'{kind.resource} "{name}" is forbidden: {why}', _details(kind, name))


class NotFound(ApiError):
    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, kind: Kind, name: str) -> NotFound:
        return cls(f'{kind.resource} "{name}" not found', _details(kind, name))


class PathNotFound(NotFound):
    """A path under a known group that leads nowhere."""

    def __init__(self) -> None:
        super().__init__("the server could not find the requested resource", {})


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"

    def __init__(self) -> None:
        super().__init__("the server does not allow this method on the requested resource", {})


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, kind: Kind, name: str) -> AlreadyExists:
        return cls(f'{kind.resource} "{name}" already exists', _details(kind, name))


class Conflict(ApiError):
    code, reason = 409, "Conflict"

    @classmethod
    def modified(cls, kind: Kind, name: str) -> Conflict:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        return cls(f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}', _details(kind, name))

    @classmethod
    def modified_uid(cls, kind: Kind, metadata: Manifest, sent: str) -> Conflict:
        """An update that names another uid than the stored `metadata` has."""
        name, stored, namespace = metadata["name"], metadata["uid"], metadata.get("namespace")
        key = "/".join(part for part in ("/registry", kind.plural, namespace, name) if part)
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {sent}, UID in object meta: {stored}"
        )
        return cls(f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}', _details(kind, name))

    @classmethod
    def precondition(cls, kind: Kind, name: str, why: str) -> Conflict:
        # A failed precondition names the Kind where everything else names the resource.
        return cls(
            f'Operation cannot be fulfilled on {kind.kind} "{name}": {why}',
            _details(kind, name, as_kind=True),
        )


class ApplyConflict(Conflict):
    """A server-side apply would change what others manage; its details name each field and manager."""


class Expired(ApiError):
    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, qualified: str, name: str, errors: FieldErrors) -> Invalid:
        """`qualified` is the kind with its group: `Deployment.apps`."""
        kind, _, group = qualified.partition(".")
        details: Manifest = {"name": name} if name else {}
        if group:
            details["group"] = group
        if kind:
            details["kind"] = kind
        details["causes"] = [_cause(error) for error in errors]
        return cls(f'{qualified} "{name}" is invalid: {errors.aggregate()}', details)


def _cause(error: FieldError) -> Manifest:
    return {"reason": error.reason, "message": error.message, "field": error.field}


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"

    def __init__(self, message: str) -> None:
        super().__init__(f"Internal error occurred: {message}", {"causes": [{"message": message}]})


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, reason = 504, "Timeout"
