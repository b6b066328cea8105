"""A Deployment's ReplicaSets: which is the new one, which are history, and how revisions are numbered."""

from __future__ import annotations

import json

from dockyard.cluster.api import Api
from dockyard.cluster.errors import AlreadyExists, ApiError, Conflict
from dockyard.cluster.owners import controller_reference, is_controlled_by
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.rollout import progress
from dockyard.cluster.rollout.scaling import (
    DESIRED,
    MAXIMUM,
    new_replica_set_size,
    report_scaling,
    size_annotations,
)
from dockyard.cluster.store import Manifest

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
HASH_LABEL = "pod-template-hash"
# Annotations of a Deployment that its ReplicaSets do not get.
_OWN = {"kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM}
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def age(rs: Manifest) -> tuple[str, str]:
    """A key that sorts ReplicaSets by age, oldest first."""
    return rs["metadata"]["creationTimestamp"], rs["metadata"]["name"]


def revision(obj: Manifest) -> int:
    """The revision annotation as a number; 0 without one."""
    text = obj["metadata"].get("annotations", {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def split(deployment: Manifest, sets: list[Manifest]) -> tuple[Manifest | None, list[Manifest]]:
    """The ReplicaSet that has the Deployment's template (the oldest, if several), and all others."""
    template = deployment["spec"]["template"]
    same = [rs for rs in sets if _without_hash(rs["spec"]["template"]) == _without_hash(template)]
    new = min(same, key=age, default=None)
    return new, sorted((rs for rs in sets if rs is not new), key=age)


def _without_hash(template: Manifest) -> Manifest:
    metadata = dict(template.get("metadata") or {})
    metadata.pop("creationTimestamp", None)
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}


def template_hash(template: Manifest, collisions: int = 0) -> str:
    """FNV-1a over the template, in letters and digits that cannot form a word.

    Differs: upstream hashes a Go rendering of the template, so the same manifest gets another hash there.
    """
    text = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    if collisions:
        text += collisions.to_bytes(8, "little")
    value = 2166136261
    for byte in text:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def ensure(api: Api, deployment: Manifest, sets: list[Manifest]) -> tuple[Manifest, Manifest, list[Manifest]]:
    """(Deployment, new ReplicaSet, old ones), creating the new one and numbering it as the latest."""
    new, old = split(deployment, sets)
    number = max((revision(rs) for rs in old), default=0) + 1
    if new is None:
        new = _create(api, deployment, old, number)
        reason, message = "NewReplicaSetCreated", f'Created new replica set "{new["metadata"]["name"]}"'
    else:
        new = _number(api, deployment, new, number)
        reason, message = "FoundNewReplicaSet", f'Found new replica set "{new["metadata"]["name"]}"'
        if progress.get(deployment, "Progressing") is not None:
            reason = ""
    deployment = progress.note_revision(api, deployment, str(revision(new)), reason, message)
    return deployment, new, old


def _create(api: Api, deployment: Manifest, old: list[Manifest], number: int) -> Manifest:
    spec, metadata = deployment["spec"], deployment["metadata"]
    digest = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount", 0))
    template = json.loads(json.dumps(spec["template"]))
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = digest
    selector = json.loads(json.dumps(spec["selector"]))
    selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
    size = new_replica_set_size(deployment, None, old)
    rs_spec = {"replicas": size, "selector": selector, "template": template}
    if spec.get("minReadySeconds"):
        rs_spec["minReadySeconds"] = spec["minReadySeconds"]
    rs = {
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "annotations": _inherited(deployment) | size_annotations(deployment) | {REVISION: str(number)},
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": rs_spec,
    }
    try:
        created = api.create("ReplicaSet", rs, namespace=metadata["namespace"])
    except AlreadyExists:
        return _resolve_collision(api, deployment, rs["metadata"]["name"])
    except ApiError as error:
        progress.note_failed_create(api, deployment, rs["metadata"]["name"], error)
        raise
    if size:
        report_scaling(api, deployment, created, 0, size)
    return created


def _resolve_collision(api: Api, deployment: Manifest, name: str) -> Manifest:
    existing = api.get("ReplicaSet", name, deployment["metadata"]["namespace"])
    if is_controlled_by(existing, deployment) and split(deployment, [existing])[0] is not None:
        return existing
    status = dict(deployment.get("status", {}))
    status["collisionCount"] = status.get("collisionCount", 0) + 1
    api.update_status("Deployment", deployment | {"status": status})
    raise Conflict(f"replica set name {name} is taken; trying another hash")


def _number(api: Api, deployment: Manifest, rs: Manifest, number: int) -> Manifest:
    current = rs["metadata"].get("annotations", {})
    wanted = current | _inherited(deployment)
    if revision(rs) < number:
        if REVISION in current:
            earlier = current.get(HISTORY)
            wanted[HISTORY] = f"{earlier},{current[REVISION]}" if earlier else current[REVISION]
        wanted[REVISION] = str(number)
    min_ready = deployment["spec"].get("minReadySeconds", 0)
    if wanted == current and rs["spec"].get("minReadySeconds", 0) == min_ready:
        return rs
    rs["metadata"]["annotations"] = wanted
    if min_ready:
        rs["spec"]["minReadySeconds"] = min_ready
    else:
        rs["spec"].pop("minReadySeconds", None)
    return api.update("ReplicaSet", rs)


def _inherited(deployment: Manifest) -> dict[str, str]:
    return {k: v for k, v in deployment["metadata"].get("annotations", {}).items() if k not in _OWN}


def clean_up(api: Api, deployment: Manifest, old: list[Manifest]) -> None:
    """Delete the oldest empty ReplicaSets beyond `revisionHistoryLimit`."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    kept = [rs for rs in old if not is_terminating(rs)]
    for rs in sorted(kept, key=revision)[: max(0, len(kept) - limit)]:
        status = rs.get("status", {})
        idle = rs["spec"]["replicas"] == 0 and status.get("replicas", 0) == 0
        if idle and status.get("observedGeneration", 0) >= rs["metadata"]["generation"]:
            api.delete("ReplicaSet", rs["metadata"]["name"], rs["metadata"]["namespace"])
