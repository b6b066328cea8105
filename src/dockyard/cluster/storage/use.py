"""Which claims a Pod uses."""

from __future__ import annotations

from dockyard.cluster.store import Manifest


def claims_of(pod: Manifest) -> dict[str, str]:
    """The claim of each volume that has one; an ephemeral volume's is named after the Pod and the volume."""
    found = {}
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            found[volume["name"]] = str(volume["persistentVolumeClaim"]["claimName"])
        elif volume.get("ephemeral"):
            found[volume["name"]] = f"{pod['metadata']['name']}-{volume['name']}"
    return found
