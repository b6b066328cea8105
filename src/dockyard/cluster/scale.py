"""The scale subresource: replicas of anything that has them, as autoscaling/v1 Scale."""

from __future__ import annotations

import copy
from typing import Any

from dockyard.cluster.errors import BadRequest, Conflict, Invalid
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.kinds.kind import Kind

Manifest = dict[str, Any]

SCALE = Kind("autoscaling", "v1", "Scale", "scales")
_OPERATORS = {"In": "in", "NotIn": "notin"}


def of(kind: Kind, obj: Manifest) -> Manifest:
    """The Scale that shows an object's replicas."""
    meta = obj["metadata"]
    shown = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    spec: Manifest = {"replicas": obj["spec"]["replicas"]} if obj["spec"].get("replicas") else {}
    status: Manifest = {"replicas": obj.get("status", {}).get("replicas", 0)}
    selector = selector_text(obj["spec"].get("selector") or {})
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": spec,
        "status": status,
    }


def selector_text(selector: Manifest) -> str:
    """A LabelSelector as text: `app=web,tier in (a,b)`."""
    terms = {key: f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()}
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        if operator in _OPERATORS:
            terms[key] = f"{key} {_OPERATORS[operator]} ({','.join(sorted(expression['values']))})"
        else:
            terms[key] = key if operator == "Exists" else f"!{key}"
    return ",".join(terms[key] for key in sorted(terms))


def apply(kind: Kind, obj: Manifest, scale: Manifest) -> Manifest:
    """A copy of the object with the Scale's replicas. Raises Conflict, Invalid, BadRequest."""
    meta, sent = obj["metadata"], scale.get("metadata") or {}
    if sent.get("name") and sent["name"] != meta["name"]:
        raise BadRequest(
            f"the name of the object ({sent['name']}) does not match the name on the URL ({meta['name']})"
        )
    if sent.get("uid") and sent["uid"] != meta["uid"]:
        raise Conflict.modified_uid(kind, meta, sent["uid"])
    if sent.get("resourceVersion") and sent["resourceVersion"] != meta["resourceVersion"]:
        raise Conflict.modified(kind, meta["name"])
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise BadRequest(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string '
            "into Go struct "
            "field ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        errors = FieldErrors()
        errors.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise Invalid.of("Scale.autoscaling", meta["name"], errors)
    changed = copy.deepcopy(obj)
    changed["spec"]["replicas"] = replicas
    return changed
