"""Request bodies in protobuf, as kubectl and helm send them: decoded by a table of field numbers.

The envelope is k8s.io/apimachinery's `runtime.Unknown` behind four magic bytes. Answers are always JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from dockyard.cluster.protobuf_messages import MESSAGES
from dockyard.wire.clock import rfc3339

Manifest = dict[str, Any]

_MAGIC = b"k8s\x00"
# Where two versions of a kind differ in their fields.
_OLDER = {("autoscaling/v1", "HorizontalPodAutoscaler"): "HorizontalPodAutoscalerV1"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class MalformedError(Exception):
    """The bytes are no message that we know."""


class _Field(NamedTuple):
    name: str
    type: str
    pointer: bool


@lru_cache(maxsize=1)
def _messages() -> dict[str, dict[int, _Field]]:
    found: dict[str, dict[int, _Field]] = {}
    for line in MESSAGES.replace(",\n   ", ",").split("\n"):
        message, _, listed = line.partition(": ")
        if not listed:
            continue
        fields = found[message] = {}
        for entry in listed.split(", "):
            number, name, type_ = entry.split(" ")
            fields[int(number)] = _Field(name, type_.rstrip("*"), type_.endswith("*"))
    return found


def decode(body: bytes) -> Manifest:
    """The object in a body, with apiVersion and kind. Raises MalformedError."""
    if not body.startswith(_MAGIC):
        raise MalformedError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        return _object(body[4:])
    except (UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise MalformedError(f"proto: illegal content: {error}") from error


def _object(envelope: bytes) -> Manifest:
    api_version = kind = ""
    raw = b""
    for number, value in _fields(envelope):
        if number == 1 and isinstance(value, bytes):
            meta = {n: v for n, v in _fields(value) if isinstance(v, bytes)}
            api_version, kind = meta.get(1, b"").decode(), meta.get(2, b"").decode()
        elif number == 2 and isinstance(value, bytes):
            raw = value
    message = _OLDER.get((api_version, kind), kind)
    if message not in _messages():
        raise MalformedError(f"protobuf bodies of kind {kind!r} are not supported by dockyard: send JSON")
    return {"apiVersion": api_version, "kind": kind, **_message(message, raw)}


def _message(name: str, data: bytes) -> Manifest:
    known = _messages()[name]
    made: Manifest = {}
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            if value in (b"", 0):
                continue
            raise MalformedError(f"field {number} of {name} is not supported by dockyard: send JSON")
        if field.type == "-":
            continue
        if field.type[0] == "^":
            made.update(_message(field.type[1:], _bytes(value)))
        elif field.type[0] == "[":
            made.setdefault(field.name, []).append(_value(field.type[1:], value))
        elif field.type[0] == "{":
            entry = dict(_fields(_bytes(value)))
            key = _bytes(entry.get(1, b"")).decode()
            made.setdefault(field.name, {})[key] = _value(field.type[1:], entry.get(2, b""))
        else:
            read = _value(field.type, value)
            # What Go writes although it is nothing.
            if read is not None and (field.pointer or read not in ("", 0, {}, False)):
                made[field.name] = read
    return made


def _value(type_: str, value: bytes | int) -> Any:
    if type_ == "s":
        return _bytes(value).decode()
    if type_ == "i":
        number = _int(value)
        return number - (1 << 64) if number >= 1 << 63 else number
    if type_ == "b":
        return bool(_int(value))
    if type_ == "B":
        return base64.b64encode(_bytes(value)).decode()
    if type_ == "Q":
        return _bytes(dict(_fields(_bytes(value))).get(1, b"")).decode()
    if type_ == "I":
        parts = dict(_fields(_bytes(value)))
        return _bytes(parts.get(3, b"")).decode() if parts.get(1, 0) else _int(parts.get(2, 0))
    if type_ == "T":
        seconds = dict(_fields(_bytes(value))).get(1)
        return None if seconds is None else rfc3339(_int(seconds))
    return _message(type_, _bytes(value))


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise MalformedError("a number where bytes belong")
    return value


def _int(value: bytes | int) -> int:
    if isinstance(value, bytes):
        if value == b"":
            return 0
        raise MalformedError("bytes where a number belongs")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message in order: number, and bytes or an unsigned number."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise MalformedError(f"wire type {wire}")
        if at + size > len(data):
            raise MalformedError("unexpected EOF")
        chunk = data[at : at + size]
        at += size
        yield number, chunk if wire == _BYTES else int.from_bytes(chunk, "little")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise MalformedError("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise MalformedError("integer overflow")
