"""Pod Security: refuses Pods that the namespace's level forbids, and warns of what another level would.

Differs: the mode audit is checked as a label and otherwise without effect, since there is no audit log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dockyard.cluster.errors import Forbidden, Invalid
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.podsecurity import LEVELS, Level, violations, wanted
from dockyard.cluster.podsecurity.levels import PREFIX

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

_MODES = ("enforce", "audit", "warn")
_TEMPLATES = (
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "ReplicationController",
    "PodTemplate",
)


def check_labels(namespace: Manifest) -> None:
    """Raise Invalid for labels that name no level or version."""
    labels = namespace["metadata"].get("labels") or {}
    errors = FieldErrors()
    for mode in _MODES:
        level, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if level is not None and level not in LEVELS:
            errors.invalid(f"metadata.labels[{PREFIX}{mode}]", level, f"must be one of {', '.join(LEVELS)}")
        if version is not None and re.fullmatch(r"latest|v1\.\d+", version) is None:
            field = f"metadata.labels[{PREFIX}{mode}-version]"
            errors.invalid(field, version, 'must be "latest" or "v1.x"')
    if errors:
        raise Invalid.of("Namespace", namespace["metadata"].get("name", ""), errors)


def check(api: Api, pod: Manifest, old: Manifest | None) -> None:
    """Raise Forbidden for a Pod that the level enforced in its namespace forbids.

    Updates are judged when they change what runs: the images.
    """
    if old is not None and _images(pod) == _images(old):
        return
    level = wanted(_labels(api, pod), "enforce")
    text = _text(level, pod)
    if text:
        from dockyard.cluster.kinds import KINDS

        raise Forbidden.of(
            KINDS["Pod"], pod["metadata"].get("name", ""), f'violates PodSecurity "{level}": {text}'
        )


def warnings(api: Api, kind: Kind, obj: Manifest, old: Manifest | None) -> list[str]:
    """What the level of the mode warn would forbid of an object, or a new level of the Pods there are."""
    if kind.key == "Namespace":
        return _about_existing(api, obj, old) if old is not None else []
    if kind.key == "Pod":
        judged = obj
    elif kind.key in _TEMPLATES:
        judged = obj.get("template") or (obj.get("spec") or {}).get("template") or {}
    elif kind.key == "CronJob":
        judged = obj["spec"]["jobTemplate"]["spec"]["template"]
    else:
        return []
    if "spec" not in judged:
        return []
    level = wanted(_labels(api, obj), "warn")
    text = _text(level, judged)
    return [f'would violate PodSecurity "{level}": {text}'] if text else []


def _about_existing(api: Api, namespace: Manifest, old: Manifest) -> list[str]:
    level = wanted(namespace["metadata"].get("labels"), "enforce")
    before = wanted(old["metadata"].get("labels"), "enforce")
    if level == before or LEVELS.index(level.name) < LEVELS.index(before.name):
        return []
    name = namespace["metadata"]["name"]
    found: dict[str, list[str]] = {}
    for pod in api.list("Pod", name):
        reasons = ", ".join(item.reason for item in violations(level, pod["metadata"], pod["spec"]))
        if reasons:
            found.setdefault(reasons, []).append(pod["metadata"]["name"])
    if not found:
        return []
    lines = [f'existing pods in namespace "{name}" violate the new PodSecurity enforce level "{level}"']
    for reasons, pods in sorted(found.items(), key=lambda item: item[1][0]):
        others = len(pods) - 1
        more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
        lines.append(f"{pods[0]}{more}: {reasons}")
    return lines


def _text(level: Level, pod: Manifest) -> str:
    return ", ".join(map(str, violations(level, pod.get("metadata") or {}, pod["spec"])))


def _labels(api: Api, obj: Manifest) -> dict[str, str] | None:
    record = api.store.get("Namespace", "", obj["metadata"].get("namespace", ""))
    return record.labels if record is not None else None


def _images(pod: Manifest) -> list[str]:
    spec = pod["spec"]
    return [
        c["image"]
        for key in ("initContainers", "containers", "ephemeralContainers")
        for c in spec.get(key) or ()
    ]
