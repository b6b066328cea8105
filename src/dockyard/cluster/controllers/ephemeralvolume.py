"""Ephemeral volumes: a claim for each one of a Pod, made with the Pod and gone with it."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController, key_of
from dockyard.cluster.owners import controller_reference, is_controlled_by
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.storage.binding import CLAIM
from dockyard.cluster.storage.use import claims_of
from dockyard.cluster.store import Event, Manifest

COMPONENT = "ephemeral_volume"


class _Controller(KindController):
    """Looks only at Pods that have such a volume: most have none."""

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind != "Pod" or event.type != "ADDED":
            return ()
        volumes = event.object["spec"].get("volumes") or ()
        return [key_of(event.object)] if any(volume.get("ephemeral") for volume in volumes) else ()


def controller(api: Api) -> Controller:
    return _Controller(api, "ephemeralvolume", "Pod", reconcile)


def reconcile(api: Api, pod: Manifest) -> None:
    """Create the claims of the Pod's ephemeral volumes; another claim of such a name is reported."""
    if is_terminating(pod):
        return
    namespace, names = pod["metadata"]["namespace"], claims_of(pod)
    for volume in pod["spec"].get("volumes") or ():
        if not volume.get("ephemeral"):
            continue
        name = names[volume["name"]]
        found = api.find(CLAIM, name, namespace)
        if found is None:
            api.create(
                CLAIM, _claim(pod, volume["ephemeral"]["volumeClaimTemplate"], name), namespace=namespace
            )
        elif not is_controlled_by(found, pod):
            message = (
                f"ephemeral volume {volume['name']}: PVC {namespace}/{name} was not created for pod "
                f"{namespace}/{pod['metadata']['name']} (pod is not owner)"
            )
            api.record_event(pod, "Warning", "EphemeralVolumeCreationFailed", message, component=COMPONENT)


def _claim(pod: Manifest, template: Manifest, name: str) -> Manifest:
    metadata = copy.deepcopy(template.get("metadata") or {})
    metadata |= {"name": name, "ownerReferences": [controller_reference(pod)]}
    return {"metadata": metadata, "spec": copy.deepcopy(template["spec"])}
