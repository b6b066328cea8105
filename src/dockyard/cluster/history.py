"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, numbered."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.errors import AlreadyExists
from dockyard.cluster.owners import claim, controller_reference
from dockyard.cluster.rollout.revisions import template_hash
from dockyard.cluster.store import Manifest

KIND = "ControllerRevision"
POD_LABEL = "controller-revision-hash"


def revisions_of(api: Api, owner: Manifest) -> list[Manifest]:
    """The owner's revisions, oldest number first; orphans that its selector matches are adopted."""
    found = claim(api, owner, KIND)
    return sorted(found, key=lambda r: (r["revision"], r["metadata"]["creationTimestamp"]))


def ensure(
    api: Api, owner: Manifest, revisions: list[Manifest], hash_label: str, collisions: int = 0
) -> tuple[Manifest, int]:
    """The revision of the owner's template (the newest already, an older one renumbered, or a new one).

    `hash_label` is the label of the revision that holds its hash: the two kinds use different ones. With it
    comes the number of hashes that were taken by other templates, `collisions` or more.
    """
    data = _data(owner)
    number = max((revision["revision"] for revision in revisions), default=0) + 1
    same = [revision for revision in revisions if revision["data"] == data]
    if same:
        if same[-1] is revisions[-1]:
            return same[-1], collisions
        return api.update(KIND, same[-1] | {"revision": number}), collisions
    while True:
        revision = _new(owner, data, number, template_hash(data, collisions), hash_label)
        try:
            return api.create(KIND, revision, namespace=owner["metadata"]["namespace"]), collisions
        except AlreadyExists:
            name, namespace = revision["metadata"]["name"], owner["metadata"]["namespace"]
            if (taken := api.find(KIND, name, namespace)) is not None and taken["data"] == data:
                return taken, collisions
            collisions += 1


def _new(owner: Manifest, data: Manifest, number: int, digest: str, hash_label: str) -> Manifest:
    metadata = owner["metadata"]
    labels = owner["spec"]["template"].get("metadata", {}).get("labels") or {}
    return {
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels | {hash_label: digest},
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [controller_reference(owner)],
        },
        "data": data,
        "revision": number,
    }


def template_of(revision: Manifest) -> Manifest:
    """The Pod template that a revision holds."""
    template = copy.deepcopy(revision["data"]["spec"]["template"])
    del template["$patch"]
    return dict(template)


def hash_of(revision: Manifest, hash_label: str) -> str:
    """The hash in a revision's labels."""
    return str(revision["metadata"]["labels"][hash_label])


def truncate(api: Api, owner: Manifest, revisions: list[Manifest], live: Iterable[str]) -> None:
    """Delete the oldest revisions beyond `revisionHistoryLimit`, without those named in `live`."""
    names = set(live)
    history = [revision for revision in revisions if revision["metadata"]["name"] not in names]
    limit = owner["spec"].get("revisionHistoryLimit", 10)
    for revision in history[: max(0, len(history) - limit)]:
        api.delete(KIND, revision["metadata"]["name"], owner["metadata"]["namespace"])


def _data(owner: Manifest) -> Manifest:
    """A strategic merge patch that brings the template back: what `kubectl rollout undo` sends."""
    return {"spec": {"template": {"$patch": "replace", **copy.deepcopy(owner["spec"]["template"])}}}
