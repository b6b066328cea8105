"""OpenAPI v2, as JSON and as gnostic's protobuf: kubectl validates a `kind: List` with it, and nothing else.

The messages are those of openapiv2/OpenAPIv2.proto of google/gnostic.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from dockyard.cluster.http.openapi import packed, schemas
from dockyard.wire.http import Request, Response

Manifest = dict[str, Any]

_PROTOBUF = "application/com.github.proto-openapi.spec.v2"
_V3, _V2 = "#/components/schemas/", "#/definitions/"
_TITLE, _VERSION = "Kubernetes", "v1.36.2"
# Field numbers of the message Schema, by how their values are written.
_TEXTS = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_DEFAULT, _REQUIRED, _ENUM, _ADDITIONAL, _TYPE, _ITEMS, _PROPERTIES, _EXTENSION = (
    5,
    19,
    20,
    21,
    22,
    23,
    25,
    31,
)


def document(request: Request) -> Response:
    """GET /openapi/v2."""
    # Differs: the document of version 2 has the definitions and no paths; clients read those in version 3.
    wants_protobuf = _PROTOBUF in request.headers.get("accept")
    tag = f'"{_hash()}{"-pb" if wants_protobuf else ""}"'
    headers = [("Cache-Control", "no-cache, private"), ("Etag", tag), ("Vary", "Accept")]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers)
    definitions = {name: _old(schema) for name, schema in schemas().items()}
    if wants_protobuf:
        content = ("Content-Type", _PROTOBUF + ".v1+protobuf")
        return Response(200, [*headers, content], _document(definitions))
    info = {"title": _TITLE, "version": _VERSION}
    body = {"swagger": "2.0", "info": info, "paths": {}, "definitions": definitions}
    encoded = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(200, [*headers, ("Content-Type", "application/json")], encoded)


@lru_cache(maxsize=1)
def _hash() -> str:
    return hashlib.sha256(packed()).hexdigest().upper()


def _old(schema: Any) -> Any:
    """A schema of version 3 in the words of version 2: no oneOf, and no allOf around one reference."""
    if isinstance(schema, list):
        return [_old(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("oneOf"), list):  # a field of a schema may have that name
        rest = {key: value for key, value in schema.items() if key not in ("oneOf", "format")}
        or_number = {"type": "integer"} in schema["oneOf"]
        return {**rest, "type": "string", **({"format": "int-or-string"} if or_number else {})}
    if isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
        rest = {key: value for key, value in schema.items() if key not in ("allOf", "default")}
        return {**_old(schema["allOf"][0]), **rest}
    if isinstance(schema.get("$ref"), str):
        return {**schema, "$ref": schema["$ref"].replace(_V3, _V2)}
    return {key: _old(value) for key, value in schema.items()}


def _document(definitions: Manifest) -> bytes:
    info = _text(1, _TITLE) + _text(2, _VERSION)
    found = b"".join(_bytes(1, _named(name, _schema(schema))) for name, schema in definitions.items())
    return _text(1, "2.0") + _bytes(2, info) + _bytes(8, b"") + _bytes(9, found)


def _schema(schema: Manifest) -> bytes:
    made = [_text(number, schema[key]) for key, number in _TEXTS.items() if isinstance(schema.get(key), str)]
    if isinstance(schema.get("type"), str):
        made.append(_bytes(_TYPE, _text(1, schema["type"])))
    if "default" in schema:
        made.append(_bytes(_DEFAULT, _any(schema["default"])))
    made += [_text(_REQUIRED, name) for name in schema.get("required") or ()]
    made += [_bytes(_ENUM, _any(value)) for value in schema.get("enum") or ()]
    if isinstance(schema.get("items"), dict):
        made.append(_bytes(_ITEMS, _bytes(1, _schema(schema["items"]))))
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        made.append(_bytes(_ADDITIONAL, _bytes(1, _schema(more))))
    elif more is True:
        made.append(_bytes(_ADDITIONAL, b"\x10\x01"))
    properties = schema.get("properties") or {}
    if properties:
        listed = (_bytes(1, _named(name, _schema(inner))) for name, inner in properties.items())
        made.append(_bytes(_PROPERTIES, b"".join(listed)))
    made += [_bytes(_EXTENSION, _named(k, _any(v))) for k, v in schema.items() if k.startswith("x-")]
    return b"".join(made)


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _bytes(2, value)


def _any(value: Any) -> bytes:
    """A value as YAML text, of which JSON is a part."""
    return _text(2, json.dumps(value))


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _bytes(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
