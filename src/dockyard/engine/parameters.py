"""Query parameters and JSON bodies, read and refused as the Go daemon does."""

from __future__ import annotations

import json
from typing import Any

from dockyard.engine.errors import BadParameter, Failed
from dockyard.wire.http import Request

Document = dict[str, Any]

_FALSE = ("", "0", "no", "false", "none")


def flag(request: Request, name: str, default: bool = False) -> bool:
    """Return a boolean parameter; anything that is not a known word for no is a yes."""
    if name not in request.query:
        return default
    return request.query.get(name).strip().lower() not in _FALSE


def integer(request: Request, name: str, default: int) -> int:
    """Return an integer parameter.

    Raises:
        Failed: it is no integer. (500, as upstream has it.)
    """
    text = request.query.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise Failed(f'strconv.Atoi: parsing "{text[:100]}": invalid syntax') from None
    if not -(2**63) <= value < 2**63:
        raise Failed(f'strconv.Atoi: parsing "{text[:100]}": value out of range')
    return value


def timestamp(request: Request, name: str) -> float | None:
    """Return a moment given as Unix seconds with an optional fraction; None when absent or 0.

    Raises:
        Failed: it is no number.
    """
    text = request.query.get(name)
    if not text:
        return None
    whole, _, fraction = text.partition(".")
    try:
        seconds = int(whole)
        nanos = int(fraction.ljust(9, "0")[:9]) if fraction else 0
    except ValueError:
        raise Failed(f'strconv.ParseInt: parsing "{whole}": invalid syntax') from None
    return seconds + nanos / 1e9 or None


async def json_body(request: Request, *, optional: bool = False) -> Document:
    """Return the JSON object in a request's body.

    Raises:
        BadParameter: no JSON, no object, or sent as something else.
    """
    body = await request.body()
    content_type = request.headers.get("content-type")
    if not body and optional:
        return {}
    media = content_type.partition(";")[0].strip()
    if body and media != "application/json" and (media or not optional):
        raise BadParameter(f"unsupported Content-Type header ({content_type}): must be 'application/json'")
    if not body:
        raise BadParameter("invalid JSON: got EOF while reading request body")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadParameter(f"invalid JSON: {_go_complaint(body)}") from None
    if not isinstance(value, dict):
        raise BadParameter(
            f"invalid JSON: json: cannot unmarshal {_kind(value)} into Go value of type object"
        )
    return value


def expect(body: Document, **kinds: str) -> Document:
    """Return `body`, whose named fields are null or of a kind: `string`, `object` or `array`.

    Raises:
        BadParameter: one is something else.
    """
    for name, kind in kinds.items():
        value = body.get(name)
        if value is not None and _kind(value) != kind:
            raise BadParameter(
                f"invalid JSON: json: cannot unmarshal {_kind(value)} into Go value of type {kind}"
            )
    return body


def _kind(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), "number")


def _go_complaint(body: bytes) -> str:
    text = body.decode("utf-8", "replace").lstrip()
    if not text:
        return "unexpected end of JSON input"
    for word in ("null", "true", "false"):
        if text[0] == word[0]:
            at = next((i for i, c in enumerate(text[: len(word)]) if c != word[i]), len(word))
            if at < min(len(word), len(text)):
                return f"invalid character '{text[at]}' in literal {word} (expecting '{word[at]}')"
    if text[0] not in '{["-0123456789tfn':
        return f"invalid character '{text[0]}' looking for beginning of value"
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            return "unexpected EOF"
        return f"invalid character '{text[error.pos]}' {_where(error.msg)}"
    return "invalid character"


def _where(message: str) -> str:
    if "property name" in message:
        return "looking for beginning of object key string"
    if "':'" in message:
        return "after object key"
    if "','" in message:
        return "after object key:value pair"
    if "Extra data" in message:
        return "after top-level value"
    return "looking for beginning of value"
