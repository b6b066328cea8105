"""Request bodies: JSON, YAML or protobuf into a checked object, with upstream's complaints."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from dockyard.cluster import protobuf
from dockyard.cluster.errors import BadRequest, UnsupportedMediaType
from dockyard.cluster.http.duplicates import duplicates
from dockyard.cluster.kinds import KINDS, Kind
from dockyard.cluster.schema.decode import Decoder, WrongTypeError

Manifest = dict[str, Any]

_MOST_DEPTH = 500
PROTOBUF = "application/vnd.kubernetes.protobuf"
_SCHEME = '"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
# Of which upstream's scheme has conversions: those that are gone, and those beside the stored one.
_OTHER_VERSIONS = (
    *("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2", "policy/v1beta1", "batch/v1beta1"),
    *("autoscaling/v1", "autoscaling/v2"),
)
_INTO_HEAD = 'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
_INTO = _INTO_HEAD + 'Kind string "json:\\"kind,omitempty\\"" }'


class Decoded(NamedTuple):
    """An object as the verbs take it, and what to warn of."""

    obj: Manifest
    warnings: list[str]


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def read_object(kind: Kind, body: bytes, content_type: str, validation: str) -> Decoded:
    """The object in a body, for a resource of this kind. Raises BadRequest, UnsupportedMediaType.

    `validation` is Strict, Warn or Ignore: what to do about fields that don't exist.
    """
    obj = _parse(kind, body, media_type(content_type) or "application/json")
    check_kind(kind, obj)
    decoder = Decoder()
    try:
        decoded = decoder.decode(kind, obj)
    except WrongTypeError as error:
        raise BadRequest(_cannot(kind.kind, kind.version, kind, str(error))) from None
    decoded = kind.read(decoded)
    if validation == "Ignore":
        return Decoded(decoded, [])
    is_json = media_type(content_type) in ("", "application/json")
    twice = duplicates(body) if is_json else []
    complaints = [f'duplicate field "{path}"' for path in twice]
    complaints += [f'unknown field "{path}"' for path in decoder.unknown]
    if not complaints:
        return Decoded(decoded, [])
    if validation == "Strict":
        text = "strict decoding error: " + ", ".join(complaints)
        raise BadRequest(_cannot(kind.kind, kind.version, kind, text))
    return Decoded(decoded, complaints)


def read_json(body: bytes) -> Any:
    """A patch's body. Raises BadRequest."""
    try:
        return _load(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"error decoding patch: {go_json_error(error, body)}") from None


def read_yaml(body: bytes) -> Any:
    """An apply configuration: JSON, which most clients send, or YAML. Raises BadRequest."""
    try:
        return _load(body) if body.lstrip()[:1] == b"{" else _yaml(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"error decoding YAML: {error}") from None


def read_options(kind_name: str, body: bytes, content_type: str) -> Manifest:
    """An optional object such as DeleteOptions; an empty body is an empty one."""
    if not body:
        return {}
    media = media_type(content_type)
    if media == PROTOBUF:
        try:
            return protobuf.decode(body)
        except protobuf.MalformedError as error:
            raise BadRequest(f"the {kind_name} provided are unrecognized: {error}") from None
    try:
        options = _load(body) if media != "application/yaml" else _yaml(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(
            f"couldn't get version/kind; json parse error: {go_json_error(error, body)}"
        ) from None
    if not isinstance(options, dict):
        raise BadRequest(f"couldn't get version/kind; json parse error: cannot unmarshal into {kind_name}")
    return options


def _parse(kind: Kind, body: bytes, media: str) -> Manifest:
    if media == PROTOBUF and kind.custom is None:
        try:
            return protobuf.decode(body)
        except protobuf.MalformedError as error:
            raise BadRequest(
                f"the object provided is unrecognized (must be of type {kind.kind}): {error}"
            ) from None
    if media not in ("application/json", "application/yaml"):
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, " + ("application/yaml" if kind.custom else f"application/yaml, {PROTOBUF}")
        )
    head = f"the object provided is unrecognized (must be of type {kind.kind}): "
    if media == "application/yaml":
        try:
            obj = _yaml(body)
        except ValueError as error:
            raise BadRequest(f"{head}yaml: {error} ({_summary(body)})") from None
    else:
        try:
            obj = _load(body)
        except (ValueError, RecursionError) as error:
            problem = f"couldn't get version/kind; json parse error: {go_json_error(error, body)}"
            raise BadRequest(f"{head}{problem} ({_summary(body)})") from None
    if not isinstance(obj, dict):
        found = {list: "array", str: "string", bool: "bool"}.get(type(obj), "number")
        problem = f"couldn't get version/kind; json parse error: json: cannot unmarshal {found} into {_INTO}"
        raise BadRequest(f"{head}{problem} ({_summary(body)})")
    return obj


def _load(body: bytes) -> Any:
    """JSON; half a surrogate pair becomes the replacement character, as in Go."""
    value = json.loads(body)
    return _mend(value) if b"\\ud" in body or b"\\uD" in body else value


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mend(key): _mend(inner) for key, inner in value.items()}
    return [_mend(item) for item in value] if isinstance(value, list) else value


def _summary(body: bytes) -> str:
    """Upstream's summarizeData: the head of the body, as text when it looks like JSON, else in hex."""
    if not body:
        return "<empty>"
    if body[:1] == b"{":
        return (
            body.decode(errors="replace") if len(body) <= 30 else body[:30].decode(errors="replace") + " ..."
        )
    return body.hex() if len(body) <= 30 else body[:30].hex() + " ..."


def check_kind(kind: Kind, obj: Manifest) -> None:
    """Raises BadRequest when the object says that it is of another kind or version."""
    name, version = obj.get("kind") or kind.kind, obj.get("apiVersion") or kind.api_version
    if name == kind.kind and version == kind.api_version:
        return
    short = str(version).rpartition("/")[2]
    if name == kind.kind and version in _OTHER_VERSIONS:
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({kind.api_version})"
        )
    known = KINDS.get(name)
    if known is None or known.api_version != version:
        problem = f'no kind "{name}" is registered for version "{version}" in scheme {_SCHEME}'
    else:
        internal = kind.group.partition(".")[0] or "core"
        problem = f"converting ({short}.{name}) to ({internal}.{kind.kind}): unknown conversion"
    raise BadRequest(_cannot(name, short, kind, problem))


def _cannot(name: str, version: str, kind: Kind, problem: str) -> str:
    return f'{name} in version "{version}" cannot be handled as a {kind.kind}: {problem}'


def go_json_error(error: Exception, body: bytes) -> str:
    """What Go's encoding/json says where Python's json said `error`."""
    if isinstance(error, UnicodeDecodeError):
        return f"invalid character '\\x{body[error.start]:02x}' looking for beginning of value"
    if not isinstance(error, json.JSONDecodeError):
        return "exceeded max depth"
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    where = {
        "Expecting value": "looking for beginning of value",
        "Expecting ':' delimiter": "after object key",
        "Extra data": "after top-level value",
        "Expecting ',' delimiter": "after object key:value pair",
    }.get(error.msg, "looking for beginning of object key string")
    return f"invalid character {error.doc[error.pos]!r} {where}"


def _yaml(body: bytes) -> Any:
    """YAML 1.1 without aliases that could explode. Raises ValueError with go-yaml's words."""
    import yaml  # loaded by the few requests that need it

    if _depth(body) > _MOST_DEPTH:
        raise ValueError(f"exceeded max depth of {_MOST_DEPTH}")
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there

    class Loader(base):  # type: ignore[misc, valid-type]
        pass

    # YAML 1.1 reads y and n as booleans; PyYAML leaves that out.
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", yaml.resolver.re.compile("^[yYnN]$"), list("yYnN"))
    Loader.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(body, Loader=Loader)):
            raise ValueError("document contains excessive aliasing")
        return yaml.load(body, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        raise ValueError((error.problem or "cannot be parsed").replace("here", "in this context")) from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError(f"exceeded max depth of {_MOST_DEPTH}") from None


def _depth(body: bytes) -> int:
    """How deep brackets are nested, so that no parser's time grows with the square of it."""
    depth = most = 0
    for byte in re.finditer(rb"[\[\]{}]", body):
        depth += 1 if byte[0] in b"[{" else -1
        most = max(most, depth)
    return most
