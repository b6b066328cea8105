"""Query parameters of the verbs, checked as metav1's options are."""

from __future__ import annotations

import re
from typing import NamedTuple

from dockyard.cluster.errors import BadRequest, Invalid
from dockyard.cluster.fields import FieldErrors
from dockyard.wire.http import Query

_NUMBER = re.compile(r"[+-]?\d+")
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


class WriteOptions(NamedTuple):
    dry_run: bool
    validation: str
    field_manager: str
    force: bool = False


class ListOptions(NamedTuple):
    label_selector: str
    field_selector: str
    limit: int
    continue_: str
    resource_version: str
    match: str
    watch: bool
    bookmarks: bool
    initial_events: bool
    timeout: float | None


def write_options(query: Query, name: str, *, applying: bool = False) -> WriteOptions:
    """Options of a create, update, patch or apply; `name` is CreateOptions and so on. Raises Invalid."""
    errors = FieldErrors()
    dry_run = [value for value in query.getlist("dryRun") if value]
    if any(value != "All" for value in dry_run):
        errors.not_supported("dryRun", dry_run, ("All",))
    manager = query.get("fieldManager")
    if len(manager.encode()) > 128:
        errors.too_long("fieldManager", 128)
    elif manager and not manager.isprintable():
        errors.invalid("fieldManager", manager, "should only contain printable characters")
    validation = query.get("fieldValidation")
    if validation not in _VALIDATIONS:
        errors.not_supported("fieldValidation", validation, _VALIDATIONS)
    if applying and not manager:
        errors.required("fieldManager", "is required for apply patch")
    if name == "PatchOptions" and query.get("force") and not applying:
        errors.forbidden("force", "may not be specified for non-apply patch")
    if errors:
        raise Invalid.of(f"{name}.meta.k8s.io", "", errors)
    return WriteOptions(bool(dry_run), validation or "Warn", manager, _truth(query.get("force")))


def list_options(query: Query) -> ListOptions:
    """Options of a list or watch. Raises BadRequest, Invalid."""
    version, match = query.get("resourceVersion"), query.get("resourceVersionMatch")
    watch = _truth(query.get("watch"))
    initial = query.get("sendInitialEvents")
    errors = FieldErrors()
    if initial and not watch:
        errors.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if watch:
        if initial and match != "NotOlderThan":
            errors.forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )
        elif match and not initial:
            errors.forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
    elif match:
        if not version:
            errors.forbidden(
                "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"
            )
        elif query.get("continue"):
            errors.forbidden(
                "resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"
            )
        elif match not in ("Exact", "NotOlderThan"):
            errors.not_supported(
                "resourceVersionMatch", match, ("Exact", "NotOlderThan", ""), keep_order=True
            )
        elif match == "Exact" and version == "0":
            errors.forbidden(
                "resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            )
    if errors:
        raise Invalid.of("ListOptions.meta.k8s.io", "", errors)
    timeout = integer(query.get("timeoutSeconds"))
    return ListOptions(
        query.get("labelSelector"),
        query.get("fieldSelector"),
        max(0, integer(query.get("limit")) or 0),
        query.get("continue"),
        version,
        match,
        watch,
        _truth(query.get("allowWatchBookmarks")),
        _truth(initial),
        None if timeout is None else float(timeout),
    )


def integer(text: str) -> int | None:
    """A whole number, None for nothing. Raises BadRequest with strconv's words."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def revision(text: str, current: int) -> int:
    """A resource version that a client sent; "" and "0" are 0. Raises BadRequest."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        raise BadRequest(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def _truth(text: str) -> bool:
    return text not in ("", "0", "false", "False", "FALSE", "f", "F")
