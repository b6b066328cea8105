"""Reading a body into a kind's form: types checked with Go's words, unknown fields found, nulls dropped.

The messages are those that encoding/json and sigs.k8s.io/json give in kube-apiserver.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from dockyard.cluster import quantity, schema
from dockyard.cluster.custom import structural
from dockyard.cluster.kinds.kind import Kind

Manifest = dict[str, Any]

_NAMES = {"s": "string", "b": "bool", "i32": "int32", "i64": "int64", "n": "float64", "B": "[]uint8"}
# Go leaves these out when they are zero (omitempty on a plain int or string).
_OMITTED_ZERO = {
    "Probe": (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ),
    "DeploymentSpec": ("minReadySeconds",),
    "ReplicaSetSpec": ("minReadySeconds",),
    "StatefulSetSpec": ("minReadySeconds",),
    "DaemonSetSpec": ("minReadySeconds",),
    "ContainerPort": ("hostPort",),
    "ServicePort": ("nodePort",),
    "EnvVar": ("value",),
}
_OMITTED_FALSE = {
    "PodSpec": ("hostNetwork", "hostPID", "hostIPC"),
    "DeploymentSpec": ("paused",),
    "Container": ("stdin", "stdinOnce", "tty"),
    "VolumeMount": ("readOnly",),
}


class WrongTypeError(Exception):
    """A value cannot be read; the message is Go's."""


class Decoder:
    """One pass over one body; `unknown` holds the paths of fields that do not exist, in order."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def decode(self, kind: Kind, obj: Manifest) -> Manifest:
        """A cleaned copy of the object. Raises WrongTypeError."""
        if kind.custom is not None:
            return self._custom(kind.custom.schema, obj)
        decoded = self._value(obj, schema.root(kind), "", "", kind.kind)
        assert isinstance(decoded, dict)
        return decoded

    def _custom(self, definition: Manifest, obj: Manifest) -> Manifest:
        """A custom object: pruned to its schema, which is checked later; only the metadata has Go types."""
        pruned: Manifest = structural.prune(definition, obj, "", self.unknown, at_root=True)
        if "metadata" in pruned:
            type_ = schema.fields(schema.CUSTOM)["metadata"]
            pruned["metadata"] = (
                self._value(pruned["metadata"], type_, "metadata", "metadata", "ObjectMeta") or {}
            )
        self.unknown.sort()
        return pruned

    def _value(self, value: Any, type_: str, path: str, go_path: str, owner: str) -> Any:
        if type_ == "any":
            return value
        if value is None:
            return None
        head = type_[0]
        if head == "#":
            return self._object(value, type_, path, go_path, owner)
        if head == "[":
            if not isinstance(value, list):
                raise _wrong(value, go_path, owner, type_)
            inner = type_[1:]
            read_items = [
                self._value(item, inner, f"{path}[{i}]", go_path, owner) for i, item in enumerate(value)
            ]
            return [_zero(inner) if item is None else item for item in read_items]
        if head == "{":
            if not isinstance(value, dict):
                raise _wrong(value, go_path, owner, type_)
            inner = type_[1:]
            read = {
                key: self._value(item, inner, f"{path}.{key}", go_path, owner) for key, item in value.items()
            }
            return {key: _zero(inner) if item is None else item for key, item in read.items()}
        return _scalar(value, type_, go_path, owner)

    def _object(self, value: Any, type_: str, path: str, go_path: str, owner: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(value, go_path, owner, type_)
        name = type_.rpartition(".")[2]
        known = schema.fields(type_)
        zero, false = _OMITTED_ZERO.get(name, ()), _OMITTED_FALSE.get(name, ())
        read: Manifest = {}
        for key, item in value.items():
            here = f"{path}.{key}" if path else key
            inner = known.get(key)
            if inner is None:
                self.unknown.append(here)
                continue
            got = self._value(item, inner, here, f"{go_path}.{key}" if go_path else key, name)
            if got is None or (inner[0] in "[{" and not got):
                continue
            if (key in zero and got in (0, "")) or (key in false and got is False):
                continue
            read[key] = got
        return read


def _zero(type_: str) -> Any:
    """What null is inside a list or map in Go: the zero value."""
    return {"s": "", "B": "", "Q": "0", "I": 0, "b": False, "any": None}.get(
        type_, {} if type_[0] in "#{" else [] if type_[0] == "[" else 0
    )


def _scalar(value: Any, type_: str, go_path: str, owner: str) -> Any:
    if type_ == "Q":
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise WrongTypeError(quantity.PROBLEM)
        try:
            return quantity.canonical(value)
        except ValueError as error:
            raise WrongTypeError(str(error)) from None
    if type_ == "I":
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise _wrong(value, go_path, owner, "int32")
        return value
    if type_ in ("s", "B", "T", "M"):
        if not isinstance(value, str):
            raise _wrong(value, go_path, owner, type_)
        if type_ == "B":
            _check_base64(value)
        elif type_ in ("T", "M"):
            return _time(value, type_)
        return value
    if type_ == "b":
        if not isinstance(value, bool):
            raise _wrong(value, go_path, owner, type_)
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(value, go_path, owner, type_)
    if type_ in ("i32", "i64"):
        bits = 31 if type_ == "i32" else 63
        if not isinstance(value, int) or not -(2**bits) <= value < 2**bits:
            raise _wrong(value, go_path, owner, type_)
    return value


def _check_base64(value: str) -> None:
    stripped = re.sub(r"[\r\n]", "", value)
    try:
        base64.b64decode(stripped, validate=True)
    except (binascii.Error, ValueError):
        bad = next(
            (i for i, char in enumerate(value) if not re.match(r"[A-Za-z0-9+/\r\n]", char)), len(value)
        )
        raise WrongTypeError(
            f"illegal base64 data at input byte {bad - bad % 4 if bad == len(value) else bad}"
        ) from None


def _time(value: str, type_: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        form = "2006-01-02T15:04:05Z07:00" if type_ == "T" else "2006-01-02T15:04:05.000000Z07:00"
        raise WrongTypeError(f'parsing time "{value}" as "{form}": cannot parse "{value}" as "2006"')
    return value


def _wrong(value: Any, go_path: str, owner: str, type_: str) -> WrongTypeError:
    found = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
    if found == "number" and type_ in ("i32", "i64"):
        found = f"number {value}"
    field = f"Go struct field {owner}.{go_path}" if go_path else "Go value"
    return WrongTypeError(f"json: cannot unmarshal {found} into {field} of type {_go_type(type_)}")


def _go_type(type_: str) -> str:
    if type_[0] == "[":
        return "[]" + _go_type(type_[1:])
    if type_[0] == "{":
        return "map[string]" + _go_type(type_[1:])
    if type_[0] == "#":
        parts = type_[1:].split(".")
        return ".".join(parts[-2:])
    return _NAMES.get(type_, "string" if type_ in ("T", "M") else type_)
