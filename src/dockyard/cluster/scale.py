"""The scale subresource: replicas of anything that has them, as autoscaling/v1 Scale."""

from __future__ import annotations

import copy
from typing import Any

from dockyard.cluster.custom import jsonpath
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
    replicas, current, selector = _custom(kind, obj) if kind.custom else _built_in(obj)
    spec: Manifest = {"replicas": replicas} if replicas else {}
    status: Manifest = {"replicas": current}
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": spec,
        "status": status,
    }


def _built_in(obj: Manifest) -> tuple[int, int, str]:
    """Replicas wanted and there, and the selector as text."""
    current = (obj.get("status") or {}).get("replicas", 0)
    return obj["spec"].get("replicas", 0), current, selector_text(obj["spec"].get("selector") or {})


def _custom(kind: Kind, obj: Manifest) -> tuple[int, int, str]:
    """The same of a custom object: where its definition says that they are."""
    paths = (kind.custom.scale if kind.custom else None) or {}

    def at(name: str, otherwise: Any) -> Any:
        path = paths.get(name)
        found = jsonpath.find(obj, path) if path else []
        return found[0] if found else otherwise

    return at("specReplicasPath", 0), at("statusReplicasPath", 0), at("labelSelectorPath", "")


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
    path = (kind.custom.scale or {}).get("specReplicasPath") if kind.custom else None
    jsonpath.place(changed, path or ".spec.replicas", replicas)
    return changed
